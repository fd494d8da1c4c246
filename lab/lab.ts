/** What every recipe's program begins with: secrets opened, machines looked at, providers made, stages noted. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { catalogue } from "../apps";
import { assertSameCluster, type SeenCluster } from "../components/cluster/identity";
import { exposureNotes } from "../components/edge/exposure-notes";
import { Exposures } from "../components/edge/exposures";
import { resolverRows } from "../components/edge/names";
import { Deliveries, treeLayout, type AppDelivery, type GitLayout } from "../components/gitops/delivery";
import type { Cluster, Platform } from "../components/platform";
import { exportedValues } from "../components/secrets/exported";
import { SopsSecretStore } from "../components/secrets/sops";
import { deliveryChoices } from "../config/fields";
import { accountProviders, type Accounts } from "./accounts";
import { deployApps, leftOutApps, type Apps, type Offers } from "./apps";
import type { SecretsFile, Stage, StackContext, StackSummary } from "./context";

/** The part of a configuration that every recipe has. */
export interface LabConfig extends Accounts {
    readonly domain: string;
    readonly timezone: string;
    readonly delivery: "pulumi" | "gitops";
    readonly protectData: boolean;
    readonly apps: Apps;
}

/** The machines as a person calls them, and what follows when their API server does not answer. */
export type LookedAt = Pick<SeenCluster, "machines" | "silent">;

/** A layer 0 component: machines with an API server. */
export interface MachinesComponent extends pulumi.ComponentResource {
    /** Admin kubeconfig, secret. */
    readonly kubeconfig: pulumi.Output<string>;
    /** Where the component makes the whole cluster anew: see `Cluster`. */
    readonly generation?: pulumi.Output<string>;
    /** Name of the kubeconfig's context, and like `generation` a value of what makes the cluster. */
    readonly context?: pulumi.Output<string>;
}

/** A stack's program at work. Nothing is registered before `connect`. */
export class Lab {
    /** Who delivers each app. */
    readonly deliveries: Deliveries;
    /** Everything that is exposed; a program seals it before it derives anything from it. */
    readonly exposures = new Exposures();
    readonly root: string;
    readonly #stages: { readonly title: string; readonly component: pulumi.ComponentResource }[] = [];
    #secrets: SopsSecretStore | undefined;
    #connection:
        | {
              readonly cluster: Cluster;
              readonly kubernetes: k8s.Provider;
              readonly providers: pulumi.ProviderResource[];
          }
        | undefined;

    constructor(
        /** Name of the stack: of the cluster, its provider, and whatever must differ between clusters. */
        readonly name: string,
        private readonly config: LabConfig,
        private readonly secretsFile: SecretsFile,
        private readonly offers: Offers,
        private readonly context: StackContext,
        layout: GitLayout = treeLayout(name),
    ) {
        this.root = context.root;
        this.deliveries = new Deliveries({
            layout,
            known: catalogue.map((app) => app.name),
            choices: deliveryChoices(config),
            before: context.delivered ?? (() => undefined),
            show: context.showsGit ?? false,
        });
    }

    /**
     * Opens the secrets file while somebody looks at the machines: the one waits for the processor, the other for the
     * network. Rejects, before any resource exists, with what is wrong, also when it is another cluster than that of the last
     * `up`; faults of the secrets come first.
     */
    async look<T extends { readonly cluster: string }>(looking: Promise<T>, machines: LookedAt): Promise<T> {
        looking.catch(() => undefined);
        const { path, refs, environment = {} } = this.secretsFile;
        const given = exportedValues(environment, this.context.environment);
        const wanted = refs.filter((ref) => given(ref) === undefined);
        // Without a value to read the file need not be there.
        const values =
            wanted.length === 0
                ? () => undefined
                : await this.context.readSops(this.root, path).catch((error: unknown) => {
                      throw withVariables(
                          error,
                          wanted.flatMap((ref) => environment[ref] ?? []),
                      );
                  });
        const secrets = new SopsSecretStore(path, (ref) => given(ref) ?? values(ref), environment);
        secrets.check(refs);
        this.#secrets = secrets;
        const facts = await looking;
        await assertSameCluster({
            stack: this.name,
            found: facts.cluster,
            known: this.context.cluster,
            ...machines,
        });
        return facts;
    }

    /** Values of the secrets file. */
    get secrets(): SopsSecretStore {
        if (this.#secrets === undefined) throw new Error("the secrets are not opened yet");
        return this.#secrets;
    }

    /** Notes a stage of the bootstrap where its component is made. */
    stage<T extends pulumi.ComponentResource>(title: string, component: T): T {
        this.#stages.push({ title, component });
        return component;
    }

    /** Providers of the cluster on these machines and of the accounts. */
    connect(machines: MachinesComponent, networks: Pick<Cluster, "lan" | "podCidr" | "serviceCidr">): Cluster {
        const { kubeconfig, generation, context } = machines;
        const kubernetes = new k8s.Provider(
            this.name,
            {
                kubeconfig,
                // Without it a renewed kubeconfig would replace the whole cluster's contents.
                clusterIdentifier: this.name,
                ...(context === undefined ? {} : { context }),
                enableServerSideApply: true,
                // New content updates the object; the default deletes and recreates it under running pods.
                enableConfigMapMutable: true,
                enableSecretMutable: true,
                // Not always: an object whose logical name changed would be taken over and then deleted.
                ...(this.deliveries.adopts ? { upsertExistingObjects: true } : {}),
            },
            // By this, not by the identifier: where the plugin itself asks for a replacement, the engine (3.250) ends the old
            // provider before what that made is deleted.
            { dependsOn: machines, ...(context === undefined ? {} : { replaceOnChanges: ["context"] }) },
        );
        const cluster: Cluster = {
            name: this.name,
            timezone: this.config.timezone,
            kubeconfig,
            ...(generation === undefined ? {} : { generation }),
            ...networks,
        };
        const providers = [kubernetes, ...accountProviders(this.config, this.secrets)];
        this.#connection = { cluster, kubernetes, providers };
        return cluster;
    }

    private get connection() {
        if (this.#connection === undefined) throw new Error("the lab has no cluster yet");
        return this.#connection;
    }

    /** Options of a single object that waits for these. */
    objectAfter(...others: readonly pulumi.Resource[]): pulumi.CustomResourceOptions {
        return { provider: this.connection.kubernetes, dependsOn: [...others] };
    }

    /** Options of what waits for these: providers and order. */
    after(...others: readonly (pulumi.Resource | undefined)[]): pulumi.ComponentResourceOptions & {
        dependsOn: pulumi.Resource[];
    } {
        return {
            providers: this.connection.providers,
            dependsOn: others.filter((other) => other !== undefined),
        };
    }

    /** How a part of the platform reaches the cluster; undefined: by Pulumi, as what Git cannot have. */
    part(name: string, opts: pulumi.ComponentResourceOptions): AppDelivery | undefined {
        return this.deliveries.part(name, opts);
    }

    /** Builds every app of the configuration, each after those it asks. */
    deploy(platform: Platform): void {
        for (const { app, why } of leftOutApps(this.config.apps)) void pulumi.log.warn(`${app} is left out: ${why}`);
        deployApps(this.config.apps, this.offers, (app) =>
            this.deliveries.platform(app, { ...platform, exposed: this.exposures.sealed }),
        );
    }

    /** What the program says of itself when all is declared. */
    summary(
        parts: Omit<StackSummary, "delivery" | "stages" | "exposures" | "resolver" | "kubeconfig" | "generation">,
    ): StackSummary {
        const { kubeconfig, generation } = this.connection.cluster;
        const exposures = this.exposures.rows;
        return {
            ...parts,
            exposures,
            ...(this.config.cloudflare === undefined ? { resolver: resolverRows(exposures) } : {}),
            notes: [...(parts.notes ?? []), ...exposureNotes(exposures, this.config.domain)],
            kubeconfig,
            ...(generation === undefined ? {} : { generation }),
            delivery: this.deliveries.record,
            stages: this.#stages.map(({ title, component }) =>
                component.urn.apply((urn): Stage => ({ title, component: urn.split("::").at(-1) ?? "" })),
            ),
        };
    }
}

/** A file that cannot be opened is not the only place of what can be exported. */
function withVariables(error: unknown, variables: readonly string[]): unknown {
    if (variables.length === 0 || !(error instanceof pulumi.RunError)) return error;
    return new pulumi.RunError(
        `${error.message}\n  Or export ${variables.join(" and ")}, which need${variables.length === 1 ? "s" : ""} no file.`,
    );
}
