/** A small recipe with a strict app of apps and a Vault's store, for tests. */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { CustomResourceDefinitions } from "../../components/cluster/custom-resource-definitions";
import { crds } from "../../components/crds";
import { deliveredBefore } from "../../components/gitops/delivery";
import { Descheduler, DESCHEDULER_NAMESPACE } from "../../components/scheduling/descheduler";
import { ExternalSecretStore } from "../../components/secrets/external-secret-store";
import { delivery } from "../../config/fields";
import { appNamespaces, appSecrets, appsSchema } from "../../lab/apps";
import {
    argoAppsDefaults,
    argoAppsKeys,
    argoAppsLayout,
    argoAppsNotes,
    handOffToGit,
    type ArgoAppsOrder,
} from "../../lab/argo-apps";
import { argoCdRelease, ARGOCD_NAMESPACE } from "../../lab/argocd";
import type { Lab } from "../../lab/lab";
import { exposePage, hubblePage } from "../../lab/pages";
import { defineStack } from "../../lab/recipe";
import { planProgram, type Plan } from "../../tools/plan/plan";
import { testPlatform } from "./test-platform";

const schema = z.strictObject({
    domain: z.string(),
    timezone: z.string().default("Etc/UTC"),
    delivery: delivery.default("pulumi"),
    protectData: z.boolean().default(true),
    ...argoAppsKeys,
    /** Parts of the platform that it has. */
    has: z
        .strictObject({ descheduler: z.boolean().default(false), "hubble-ingress": z.boolean().default(false) })
        .prefault({}),
    apps: appsSchema,
});
type Config = z.output<typeof schema>;

export const ORDER: ArgoAppsOrder = {
    domains: ["ai", "media", "productivity", "web", "other"],
    parts: {
        networking: ["cilium", "metallb"],
        security: ["cert-manager", "vault"],
        mesh: ["linkerd-crds"],
        scheduling: ["descheduler"],
        storage: ["rook-ceph"],
        data: ["cloudnative-pg"],
    },
};

export const NO_PARTS = {
    "hubble-ingress": false,
    bridges: false,
    "egress-qos": false,
    "linkerd-ingress": false,
    reloader: false,
    descheduler: false,
    "postgres-monitors": false,
};

export const appOfApps = defineStack<Config>({
    name: "app-of-apps",
    special: () => [],
    schema: () => schema,
    defaults: argoAppsDefaults,
    offers: () => ({
        capacity: [],
        gpus: {},
        postgres: true,
        prometheus: true,
        libraries: ["media", "downloads", "inbox"],
        devices: true,
        addresses: "optional",
        mend: { gpu: "", postgres: "", prometheus: "", library: "", device: "", address: "", network: "" },
    }),
    secrets: ({ apps }) => [{ path: "secrets.enc.yaml", refs: appSecrets(apps) }],
    machines: () => ({ nodes: [] }) as never,
    machinesText: () => "machines",
    gitLayout: (config) => argoAppsLayout(config, ORDER, { ...NO_PARTS, ...config.has }),
    program,
});

async function program(config: Config, lab: Lab) {
    await lab.look(Promise.resolve({ cluster: "" }), { machines: "the machines", silent: "warn" });
    const machines = Object.assign(new pulumi.ComponentResource("test:machines", "machines"), {
        kubeconfig: pulumi.secret("kubeconfig"),
    });
    const cluster = lab.connect(machines, {
        lan: "192.168.1.0/24",
        podCidr: "10.244.0.0/16",
        serviceCidr: "10.96.0.0/12",
    });
    const definitions = new CustomResourceDefinitions(
        "crds",
        { cluster, bundles: [crds.externalSecrets] },
        lab.after(machines),
    );
    const { namespaces, ...rest } = testPlatform({
        ...appNamespaces(config.apps, "privileged"),
        [ARGOCD_NAMESPACE]: "baseline",
        [DESCHEDULER_NAMESPACE]: "restricted",
    });
    const platform = {
        ...rest,
        cluster,
        namespaces,
        opts: lab.after(definitions),
        secrets: new ExternalSecretStore({
            storeName: (namespace) => pulumi.interpolate`vault-${namespace}`,
            remoteRef: (ref) => ({ key: `apps/${ref.replaceAll(".", "/")}`, property: "value" }),
        }),
    };
    const argocd = argoCdRelease(
        lab,
        config,
        { title: "Argo CD", home: namespaces, edge: platform.edge },
        lab.after(definitions),
    );
    lab.deploy(platform);
    const after = lab.after(definitions);
    const owner = new pulumi.ComponentResource("test:network", "network", {}, after);
    if (config.has["hubble-ingress"]) {
        exposePage(platform.edge, hubblePage({ hubbleHost: "hubble" }), "none", lab.objectAfter(owner), {
            how: lab.part("hubble-ingress", after),
            owner,
        });
    }
    if (config.has.descheduler) {
        const delivery = lab.part("descheduler", after);
        const namespace = namespaces.name(DESCHEDULER_NAMESPACE);
        new Descheduler("descheduler", { namespace, timezone: "Etc/UTC", schedule: "17 4 * * *", delivery }, after);
    }
    for (const exposure of platform.edge.exposures) lab.exposures.add(exposure);
    lab.exposures.seal();
    handOffToGit(lab, config, { ...ORDER, cluster, argocd, after: [] });
    return lab.summary({ volumes: platform.storage.rows, notes: argoAppsNotes(lab, config) });
}

export const REPOSITORY = "https://git.example/lab.git";

/** Plans a stack of the recipe; `up`: as an `up` runs it, without what is shown for Git alone. */
export function planAppOfApps(
    value: Record<string, unknown>,
    {
        delivered = {},
        root = "/nowhere",
        up = false,
    }: { delivered?: Record<string, string>; root?: string; up?: boolean } = {},
): Promise<Plan> {
    const stack = appOfApps.open("lab", { domain: "lab.example", ...value });
    return planProgram(stack, () =>
        stack.run({
            root,
            readSops: () => Promise.resolve(() => "[secret]"),
            delivered: deliveredBefore(delivered),
            showsGit: !up,
        }),
    );
}
