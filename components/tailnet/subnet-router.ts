import * as command from "@pulumi/command";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as tailscale from "@pulumi/tailscale";
import { BASH } from "../cluster/cluster-command";
import type { Exposure } from "../edge/edge";
import { imageReference, images } from "../images";
import { rangeToCidrs, toNumber, type AddressRange } from "../network/addresses";
import type { Cluster } from "../platform";
import type { Grant, PolicyFragment } from "./policy";
import type { PolicySpec } from "./policy-file";

export interface SubnetRouterArgs {
    cluster: Pick<Cluster, "name">;
    namespace: pulumi.Output<string>;
    /** Tailnet name, or "-" for the one of the credential. */
    tailnet: string;
    /** OAuth client of the provider; on destroy it also removes the router's device (scope devices:core). */
    oauth: { clientId: pulumi.Output<string>; clientSecret: pulumi.Output<string> };
    /** Tag of the router, without `tag:`. */
    tag: string;
    /** The load balancer's pool: what the router announces. */
    pool: AddressRange;
    /** What members of the tailnet may reach in the pool; pass it complete. */
    exposures: readonly Exposure[];
    /** Ports of the shared entrance, where it is no address of its own that has `WEB`. */
    entrance?: readonly number[];
    /** Whether this stack keeps entries of its own in the tailnet's policy. */
    policy: "manage" | "leave";
    /** Lets continuous integration reach the machines; absent: nobody does over the tailnet. */
    ci?: TailnetCi;
}

export interface TailnetCi {
    /** Tag of a runner's device, without `tag:`. */
    readonly tag: string;
    readonly machines: readonly { readonly address: string; readonly ports: readonly number[] }[];
}

// Finds the router's device by host name and tag and deletes it. Standard API, https://tailscale.com/api
const REMOVE_DEVICE = `
const api = (process.env.TAILSCALE_BASE_URL || "https://api.tailscale.com") + "/api/v2";
const { TAILNET, HOSTNAME_OF_ROUTER, TAG, CLIENT_ID, CLIENT_SECRET } = process.env;
async function call(path, init) {
    const answer = await fetch(api + path, init);
    if (!answer.ok && answer.status !== 404) throw new Error(path + ": " + answer.status + " " + (await answer.text()));
    return answer.status === 404 ? {} : JSON.parse((await answer.text()) || "{}");
}
(async () => {
    const form = new URLSearchParams({ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, grant_type: "client_credentials" });
    const { access_token } = await call("/oauth/token", { method: "POST", body: form });
    const headers = { authorization: "Bearer " + access_token };
    const { devices = [] } = await call("/tailnet/" + encodeURIComponent(TAILNET) + "/devices", { headers });
    for (const device of devices) {
        if (device.hostname !== HOSTNAME_OF_ROUTER || !(device.tags || []).includes(TAG)) continue;
        await call("/device/" + encodeURIComponent(device.nodeId || device.id), { method: "DELETE", headers });
    }
})().catch((error) => {
    console.error("the router's device could not be removed from the tailnet: " + error.message);
    process.exitCode = 1;
});
`.trim();

/** The ports of an HTTP gateway at an address of its own: the second leads to the first, or the other way round. */
const WEB = [80, 443];

/** What a stack needs of the tailnet's policy: its router's tag and routes, and who reaches which address at which port. */
export function policyFragment({
    tag,
    routes,
    exposures,
    entrance = WEB,
    ci,
}: Pick<SubnetRouterArgs, "tag" | "exposures" | "entrance" | "ci"> & {
    readonly routes: readonly string[];
}): PolicyFragment {
    const owners = ["autogroup:admin"];
    const members = exposures.flatMap(({ access, address, port }) =>
        (access === "dedicated" ? [port] : entrance).map((each) => ({ address, port: each })),
    );
    const machines = (ci?.machines ?? []).flatMap(({ address, ports }) => ports.map((port) => ({ address, port })));
    return {
        tagOwners: { [`tag:${tag}`]: owners, ...(ci === undefined ? {} : { [`tag:${ci.tag}`]: owners }) },
        // The router's announcements need nobody's click in the console.
        routes: Object.fromEntries(routes.map((route) => [route, [`tag:${tag}`]])),
        grants: [
            ...grantsTo("autogroup:member", members),
            ...(ci === undefined ? [] : grantsTo(`tag:${ci.tag}`, machines)),
        ],
    };
}

/** A grant for each set of ports, with all addresses that have it. */
function grantsTo(src: string, reachable: readonly { readonly address: string; readonly port: number }[]): Grant[] {
    const ports = new Map<string, Set<number>>();
    for (const { address, port } of reachable) ports.set(address, (ports.get(address) ?? new Set()).add(port));
    const addresses = new Map<string, string[]>();
    for (const [address, set] of [...ports].sort(([a], [b]) => toNumber(a) - toNumber(b))) {
        const key = [...set].sort((a, b) => a - b).join(" ");
        addresses.set(key, [...(addresses.get(key) ?? []), address]);
    }
    return [...addresses].map(([key, dst]) => ({ src: [src], dst, ip: key.split(" ").map((port) => `tcp:${port}`) }));
}

/**
 * The tailnet's way to the cluster's local hosts: a subnet router that announces exactly the load balancer's pool (and
 * the machines, for continuous integration), and (when asked) the entries of the policy that let it. Names need nothing:
 * the public zone already resolves them to these addresses.
 */
export class SubnetRouter extends pulumi.ComponentResource {
    readonly routes: readonly string[];

    constructor(name: string, args: SubnetRouterArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:tailnet:SubnetRouter", name, {}, opts);
        const child = { parent: this };
        this.routes = [...rangeToCidrs(args.pool), ...(args.ci?.machines ?? []).map(({ address }) => `${address}/32`)];
        const hostname = `${args.cluster.name}-router`;
        const policy = args.policy === "manage" ? this.policy(name, args) : undefined;
        const afterPolicy = { parent: this, ...(policy === undefined ? {} : { dependsOn: policy }) };
        const key = new tailscale.TailnetKey(
            name,
            {
                // Not the text of before (`subnet router`): a key of then is replaced by it. Changed in place, the provider
                // would look at the old key and crash where that has expired and is gone.
                description: `${args.cluster.name} router`,
                reusable: true,
                preauthorized: true,
                tags: [`tag:${args.tag}`],
                // For the first start only: the router keeps its identity in a Secret, and tagged devices do not
                // expire. So an expired key harms nobody, and a rebuilt cluster gets a new one. "always" would be
                // told as drift from the 90th day on, for ever: an up does not look whether a key has expired.
                expiry: 90 * 24 * 3600,
                recreateIfInvalid: "never",
            },
            // The tag must exist in the policy before a key may carry it.
            afterPolicy,
        );
        const labels = { "app.kubernetes.io/name": "tailscale-router", "app.kubernetes.io/part-of": "infra" };
        const metadata = { name: "tailscale-router", namespace: args.namespace, labels };
        const authKey = new k8s.core.v1.Secret(
            `${name}-auth-key`,
            { metadata: { ...metadata, name: "tailscale-auth-key" }, type: "Opaque", stringData: { authkey: key.key } },
            child,
        );
        const account = new k8s.core.v1.ServiceAccount(name, { metadata }, child);
        const role = new k8s.rbac.v1.Role(
            name,
            {
                metadata,
                rules: [
                    { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
                    {
                        apiGroups: [""],
                        resources: ["secrets"],
                        resourceNames: ["tailscale-router-state"],
                        verbs: ["get", "update", "patch"],
                    },
                ],
            },
            child,
        );
        const binding = new k8s.rbac.v1.RoleBinding(
            name,
            {
                metadata,
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
                subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace: args.namespace }],
            },
            child,
        );
        // Deleted after the router: its device would stay in the tailnet for ever.
        const left = new command.local.Command(
            `${name}-device-cleanup`,
            {
                interpreter: BASH,
                create: "command -v node > /dev/null || { echo 'node is not on the PATH: install Node 22' >&2; exit 1; }",
                update: ":",
                delete: `node -e "$SCRIPT"`,
                environment: {
                    SCRIPT: REMOVE_DEVICE,
                    TAILNET: args.tailnet,
                    HOSTNAME_OF_ROUTER: hostname,
                    TAG: `tag:${args.tag}`,
                    CLIENT_ID: args.oauth.clientId,
                    CLIENT_SECRET: args.oauth.clientSecret,
                },
                logging: "stderr",
            },
            // With its device gone nobody has the tag, and the policy may lose it.
            afterPolicy,
        );
        // The state Secret is the router's identity; made here, so that destroy removes it.
        const state = new k8s.core.v1.Secret(
            `${name}-state`,
            { metadata: { ...metadata, name: "tailscale-router-state" }, type: "Opaque" },
            { parent: this, ignoreChanges: ["data", "stringData"] },
        );
        new k8s.apps.v1.Deployment(
            name,
            {
                metadata,
                spec: {
                    replicas: 1,
                    // Two routers with one identity would throw each other out.
                    strategy: { type: "Recreate" },
                    selector: { matchLabels: { "app.kubernetes.io/name": "tailscale-router" } },
                    template: {
                        metadata: { labels },
                        spec: {
                            serviceAccountName: account.metadata.name,
                            securityContext: {
                                runAsNonRoot: true,
                                runAsUser: 1000,
                                runAsGroup: 1000,
                                seccompProfile: { type: "RuntimeDefault" },
                            },
                            containers: [
                                {
                                    name: "tailscale",
                                    image: imageReference(images.tailscale),
                                    env: [
                                        { name: "TS_HOSTNAME", value: hostname },
                                        { name: "TS_ROUTES", value: this.routes.join(",") },
                                        // In user space connections leave as the pod's own, which Cilium sends to
                                        // the Service behind an address of the pool; no privilege is needed.
                                        { name: "TS_USERSPACE", value: "true" },
                                        { name: "TS_AUTH_ONCE", value: "true" },
                                        { name: "TS_KUBE_SECRET", value: state.metadata.name },
                                        {
                                            name: "TS_AUTHKEY",
                                            valueFrom: {
                                                secretKeyRef: { name: authKey.metadata.name, key: "authkey" },
                                            },
                                        },
                                        // The image serves /healthz there.
                                        { name: "TS_LOCAL_ADDR_PORT", value: "0.0.0.0:9002" },
                                        { name: "TS_ENABLE_HEALTH_CHECK", value: "true" },
                                    ],
                                    ports: [{ name: "health", containerPort: 9002 }],
                                    readinessProbe: {
                                        httpGet: { path: "/healthz", port: "health" },
                                        periodSeconds: 10,
                                    },
                                    livenessProbe: {
                                        httpGet: { path: "/healthz", port: "health" },
                                        periodSeconds: 30,
                                        failureThreshold: 10,
                                    },
                                    resources: {
                                        requests: { cpu: "10m", memory: "64Mi" },
                                        limits: { memory: "256Mi" },
                                    },
                                    securityContext: {
                                        allowPrivilegeEscalation: false,
                                        readOnlyRootFilesystem: true,
                                        capabilities: { drop: ["ALL"] },
                                    },
                                    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
                                },
                            ],
                            volumes: [{ name: "tmp", emptyDir: { sizeLimit: "64Mi" } }],
                        },
                    },
                },
            },
            { parent: this, dependsOn: [binding, left] },
        );
        this.registerOutputs({ routes: this.routes });
    }

    /**
     * This stack's entries in the tailnet's policy file, which others have entries in, too. A command and not the
     * provider's Acl: that one writes the whole file, over whatever was written since it was read, and takes nothing out.
     */
    private policy(name: string, args: SubnetRouterArgs): command.local.Command {
        const { clientId, clientSecret } = args.oauth;
        const environment: Record<keyof PolicySpec, pulumi.Input<string>> = {
            STACK: args.cluster.name,
            TAILNET: args.tailnet,
            CLIENT_ID: clientId,
            CLIENT_SECRET: clientSecret,
            POLICY_FRAGMENT: JSON.stringify(policyFragment({ ...args, routes: this.routes })),
        };
        const step = (word: "merge" | "remove") => `${IN_PROJECT}\nexec node components/tailnet/run.cjs ${word}`;
        return new command.local.Command(
            `${name}-policy`,
            {
                interpreter: BASH,
                // Runs again on any change of what it is given; no triggers, which would replace it.
                create: step("merge"),
                update: step("merge"),
                delete: step("remove"),
                environment,
                addPreviousOutputInEnv: false,
                logging: "stderr",
            },
            // Replaced by hand (`--replace`), the entries go and come back; the other way round they would only go.
            { parent: this, deleteBeforeReplace: true },
        );
    }
}

/** Commands start in the folder of the program's start file; the project is the folder with Pulumi.yaml. */
const IN_PROJECT = `
until [ -f Pulumi.yaml ]; do
  [ "$PWD" != / ] || { echo "no Pulumi.yaml here or above" >&2; exit 1; }
  cd ..
done
`.trim();
