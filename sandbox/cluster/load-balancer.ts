import {
    type AddressPool,
    type CiliumPool,
    ciliumPools,
    ciliumRanges,
    type MetalLbPool,
    metalLbPools,
} from "./address-pools";
import { type Action, collections, type Controller, corePath, type View, warning } from "../controllers/controller";
import { timestamp } from "../controllers/custom-resources";
import { allocate, type Allocation, type Claim } from "./ipam";
import { type Deployment, isRolledOut, keyOf, type Service, withCondition } from "../controllers/objects";
import { isMetalLbController } from "../operators/metallb/controller";
import { contains, parseAddress, sizeOf } from "./ranges";

const SATISFIED = "cilium.io/IPAMRequestSatisfied";
const CILIUM_CLASSES = ["io.cilium/l2-announcer", "io.cilium/bgp-control-plane"];

/**
 * Gives LoadBalancer Services addresses from the pools that the cluster declares: Cilium's LB IPAM or MetalLB, whichever has its
 * controller ready and pools. A service it cannot satisfy has no address and, with Cilium, a condition that says why.
 */
export const loadBalancer: Controller = {
    name: "load-balancer",
    lists: [
        collections.services,
        collections.deployments,
        collections.ciliumPools,
        collections.ciliumPoolsAlpha,
        collections.metalLbPools,
    ],
    reconcile(view) {
        const deployments = view.list<Deployment>(collections.deployments).filter(isRolledOut);
        const services = view
            .list<Service>(collections.services)
            .filter((service) => service.spec.type === "LoadBalancer");
        const cilium = deployments.some((deployment) => keyOf(deployment) === "kube-system/cilium-operator");
        const metalLb = deployments.find(isMetalLbController);
        // Both served by the same CRD: v2 where it exists, else the alpha.
        const v2 = view.list<CiliumPool>(collections.ciliumPools);
        const pools = v2.length > 0 ? v2 : view.list<CiliumPool>(collections.ciliumPoolsAlpha);
        // Cilium's LB IPAM sleeps until it has a pool, so beside MetalLB it is harmless.
        if (cilium && (pools.length > 0 || metalLb === undefined)) {
            const version = v2.length > 0 ? "v2" : "v2alpha1";
            return reconcileCilium(view, version, pools, services.filter(isForCilium));
        }
        return metalLb === undefined
            ? []
            : reconcileMetalLb(
                  view,
                  metalLb.metadata.namespace,
                  services.filter(
                      ({ spec, metadata }) =>
                          spec.loadBalancerClass === undefined && metadata.deletionTimestamp === undefined,
                  ),
              );
    },
};

function isForCilium(service: Service): boolean {
    return service.spec.loadBalancerClass === undefined || CILIUM_CLASSES.includes(service.spec.loadBalancerClass);
}

function reconcileCilium(
    view: View,
    version: string,
    pools: readonly CiliumPool[],
    services: readonly Service[],
): Action[] {
    const { usable, conflicts } = ciliumPools(pools);
    const allocations = allocate(usable, services.map(ciliumClaim));
    const now = timestamp(view.now);
    const forServices = services.flatMap((service) => {
        const allocation = allocations.get(keyOf(service)) ?? { addresses: [] };
        const conditions = withCondition(
            service.status?.conditions ?? [],
            {
                type: SATISFIED,
                status: allocation.problem === undefined ? "True" : "False",
                reason: allocation.problem?.reason ?? "satisfied",
                message: allocation.problem?.message ?? "",
            },
            now,
        );
        return statusPatch(service, allocation, conditions === undefined ? {} : { conditions });
    });
    const used = [...allocations.values()].flatMap(({ addresses }) => addresses);
    return [
        ...forServices,
        ...pools.flatMap((pool) => poolStatus(pool, version, conflicts.get(pool.metadata.name), used, now)),
    ];
}

/** A pool's conditions: whether it conflicts, and its numbers, which Cilium tells as messages of "Unknown" conditions. */
function poolStatus(
    pool: CiliumPool,
    version: string,
    conflict: string | undefined,
    used: readonly string[],
    now: string,
): Action[] {
    const ranges = ciliumRanges(pool);
    const total = ranges.reduce((sum, range) => sum + sizeOf(range), 0n);
    const taken = BigInt(new Set(used.filter((address) => ranges.some((range) => contains(range, address)))).size);
    const number = (type: string, value: bigint) => ({
        type,
        status: "Unknown",
        reason: "noreason",
        message: String(value),
    });
    const wanted = [
        {
            type: "cilium.io/PoolConflict",
            status: conflict === undefined ? "False" : "True",
            reason: conflict === undefined ? "resolved" : "cidr_overlap",
            message: conflict ?? "",
        },
        number("cilium.io/IPsTotal", total),
        number("cilium.io/IPsAvailable", total - taken),
        number("cilium.io/IPsUsed", taken),
    ].map((condition) => ({ ...condition, observedGeneration: pool.metadata.generation ?? 1 }));
    let conditions = pool.status?.conditions ?? [];
    for (const condition of wanted) {
        conditions = withCondition(conditions, condition, now) ?? conditions;
    }
    return conditions === pool.status?.conditions
        ? []
        : [
              {
                  verb: "patch",
                  path: `/apis/cilium.io/${version}/ciliumloadbalancerippools/${pool.metadata.name}/status`,
                  body: { status: { conditions } },
              },
          ];
}

function reconcileMetalLb(view: View, home: string | undefined, services: readonly Service[]): Action[] {
    // Its configuration is what is in its own namespace.
    const declared = view.list<MetalLbPool>(collections.metalLbPools);
    const pools = metalLbPools(declared.filter(({ metadata }) => metadata.namespace === home));
    const refused = new Map(services.flatMap((service) => misasked(service).map((why) => [keyOf(service), why])));
    const asking = services.filter((service) => !refused.has(keyOf(service)));
    // First come, first served: it knows nothing of those that will pin an address.
    const allocations = allocate(pools, asking.map(metalLbClaim), "oldest-first");
    return services.flatMap((service) => {
        const why = refused.get(keyOf(service));
        const allocation: Allocation =
            why === undefined
                ? (allocations.get(keyOf(service)) ?? { addresses: [] })
                : { addresses: [], problem: { reason: "no_pool", message: why } };
        const { namespace = "", name, uid } = service.metadata;
        const source = poolOf(pools, allocation);
        const annotation = "metallb.io/ip-allocated-from-pool";
        return [
            ...statusPatch(service, allocation, {}),
            ...(source !== undefined && service.metadata.annotations?.[annotation] !== source
                ? [
                      {
                          verb: "patch" as const,
                          path: corePath("services", namespace, name),
                          body: { metadata: { annotations: { [annotation]: source } } },
                      },
                  ]
                : []),
            ...(allocation.problem === undefined
                ? []
                : [
                      warning(
                          { kind: "Service", namespace, name, ...(uid !== undefined && { uid }) },
                          "AllocationFailed",
                          `Failed to allocate IP for "${namespace}/${name}": ${allocation.problem.message}`,
                          "metallb-controller",
                          view.now,
                      ),
                  ]),
        ];
    });
}

function poolOf(pools: readonly AddressPool[], allocation: Allocation): string | undefined {
    const [address] = allocation.addresses;
    return address === undefined
        ? undefined
        : pools.find((pool) => pool.ranges.some((range) => contains(range, address)))?.name;
}

function statusPatch(service: Service, allocation: Allocation, extra: object): Action[] {
    const ingress = service.status?.loadBalancer?.ingress ?? [];
    const same =
        ingress.length === allocation.addresses.length &&
        allocation.addresses.every((address) => ingress.some(({ ip }) => ip === address));
    if (same && Object.keys(extra).length === 0) {
        return [];
    }
    return [showAddresses(service, allocation.addresses, extra)];
}

/** The status of a Service that has these addresses. */
export function showAddresses(service: Service, addresses: readonly string[], extra: object = {}): Action {
    const { namespace = "", name, resourceVersion } = service.metadata;
    return {
        verb: "patch",
        path: `${corePath("services", namespace, name)}/status`,
        body: {
            // Written only over what was seen: a status from an old list must not bring a freed address back.
            metadata: { resourceVersion },
            status: { loadBalancer: { ingress: addresses.map((ip) => ({ ip, ipMode: "VIP" })) }, ...extra },
        },
    };
}

/** What a service asks of Cilium. https://docs.cilium.io/en/stable/network/lb-ipam/ */
export function ciliumClaim(service: Service): Claim {
    const sharingKey = annotationOf(service, "lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key");
    return {
        service,
        requested: addressesOf(
            service.spec.loadBalancerIP,
            annotationOf(service, "lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips"),
        ),
        ...(sharingKey !== undefined && { sharingKey }),
        sharingNamespaces: split(
            annotationOf(
                service,
                "lbipam.cilium.io/sharing-cross-namespace",
                "io.cilium/lb-ipam-sharing-cross-namespace",
            ),
        ),
    };
}

/** Why MetalLB does not even look for an address: getDesiredLbIPs in controller/service.go of MetalLB 0.16. */
function misasked(service: Service): string[] {
    const asked = annotationOf(service, "metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs");
    if (asked === undefined) return [];
    if ((service.spec.loadBalancerIP ?? "") !== "") {
        return ["service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP"];
    }
    return asked.split(",").every((address) => parseAddress(address.trim()) !== undefined)
        ? []
        : [`invalid metallb.io/loadBalancerIPs: "${asked}"`];
}

/** What a service asks of MetalLB. https://metallb.io/usage/ */
function metalLbClaim(service: Service): Claim {
    const sharingKey = annotationOf(service, "metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip");
    const pool = annotationOf(service, "metallb.io/address-pool", "metallb.universe.tf/address-pool");
    return {
        service,
        requested: addressesOf(
            service.spec.loadBalancerIP,
            annotationOf(service, "metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"),
        ),
        ...(sharingKey !== undefined && { sharingKey }),
        ...(pool !== undefined && { pool }),
        sharingNamespaces: ["*"],
    };
}

function annotationOf(service: Service, ...names: readonly string[]): string | undefined {
    return names
        .map((name) => service.metadata.annotations?.[name])
        .find((value) => value !== undefined && value !== "");
}

function addressesOf(...texts: readonly (string | undefined)[]): string[] {
    return [...new Set(texts.flatMap(split))].filter((address) => parseAddress(address) !== undefined);
}

function split(text: string | undefined): string[] {
    return (text ?? "")
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "");
}
