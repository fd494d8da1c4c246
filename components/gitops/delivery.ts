/** Who applies an app's objects, Pulumi or Git, and how an app changes hands without losing them. docs/gitops.md */
import * as pulumi from "@pulumi/pulumi";
import type { Chart } from "../charts";

/** What a configuration may say of an app. */
export const DELIVERY_CHOICES = ["pulumi", "gitops"] as const;
export type DeliveryChoice = (typeof DELIVERY_CHOICES)[number];

/**
 * Where an app stands. Between the two choices lies one `pulumi up` in which both have it:
 * - `handing-over`: Pulumi still has the objects, marked so that it will forget rather than delete them;
 * - `taking-over`: Pulumi takes the objects as they are, and Git's hold on them is loosened so that it will let go.
 */
export type Delivery = DeliveryChoice | "handing-over" | "taking-over";

/** The next step towards a choice, given where the last `up` left the app; undefined: it was not there. */
export function nextDelivery(choice: DeliveryChoice, before: Recorded | undefined): Delivery {
    const inState = before === "pulumi" || before === "taking-over";
    if (choice === "gitops") return inState ? "handing-over" : "gitops";
    return before === "gitops" || before === "handing-over" ? "taking-over" : "pulumi";
}

/** Where the last `up` left an app; undefined: it was not there. */
export type Delivered = (app: string) => Recorded | undefined;

/**
 * Word of an app in the record: where the last `up` left it, or `removed`: Git had it, and the configuration has it no more.
 * Its files may still stand in the repository.
 */
export type Recorded = Delivery | "removed";

/** Reads the record of an earlier `up`; what is not one of ours is left out. */
export function deliveredBefore(record: unknown): Delivered {
    const known: readonly unknown[] = [...DELIVERY_CHOICES, "handing-over", "taking-over", "removed"];
    const entries = typeof record === "object" && record !== null ? Object.entries(record) : [];
    const states = new Map(entries.filter(([, delivery]) => known.includes(delivery)) as [string, Recorded][]);
    return (app) => states.get(app);
}

/** Directory below which `npm run render` writes a stack's apps, seen from the repository's root, unless its recipe has a layout of its own. */
export const renderedTree = (stack: string): string => `gitops/${stack}`;

/** Where `npm run render` writes what Git delivers. Every path is seen from the repository's root. */
export interface GitLayout {
    /** Directory of an app's objects. */
    directory(app: string, namespace: string): string;
    /** Directories in which every file is written by `npm run render`. */
    readonly own: readonly string[];
    /** Directories with files of others, too: there it keeps only what bears its heading. */
    readonly shared: readonly string[];
    /** Directory of what stands before Git can deliver anything, for people without network or state; in none of the others. */
    readonly dayZero?: string;
    /** Parts of the platform that Git can have as it has an app, by name. */
    readonly parts?: Readonly<Record<string, PlatformPart>>;
    /** Directory of each of the platform's areas. */
    readonly areas?: Readonly<Record<string, string>>;
}

/** A part of the platform that nothing of Pulumi's stands on. */
export interface PlatformPart {
    /** Directory of its objects. */
    readonly path: string;
    /** Undefined: the configuration has none of it. */
    readonly choice: DeliveryChoice | undefined;
    /** True: all of it is one chart, which an Application of Argo CD's can name. */
    readonly chart: boolean;
}

/** A chart that Git delivers by an Application that names it. */
export interface GitChart {
    readonly chart: Chart;
    /** Helm's name of the release. */
    readonly release: string;
    readonly values: pulumi.Inputs;
}

/** The layout of a recipe that says nothing else: a tree for each stack. */
export function treeLayout(stack: string): GitLayout {
    const tree = renderedTree(stack);
    return { directory: (app, namespace) => `${tree}/${namespace}/${app}`, own: [tree], shared: [] };
}

/** An app in which Git has, or is about to have, a hand. */
export interface GitApp {
    readonly app: string;
    readonly namespace: string;
    /** Directory of its objects, seen from the repository's root. */
    readonly path: string;
    readonly delivery: Exclude<Delivery, "pulumi">;
    /** What its pods need and Pulumi keeps: claims and the like. The hand-off goes before them. */
    readonly stands: readonly pulumi.Resource[];
    /** What it is instead of objects of its own. */
    readonly chart: GitChart | undefined;
}

/** A workload's side of it: options for the objects that Git may have, and a word when they are there. */
export interface WorkloadDelivery {
    /** Options for the objects; undefined: Git applies them, and nothing is registered. */
    readonly objects: pulumi.CustomResourceOptions | undefined;
    /** True when the objects are only shown, so secrets must be references. */
    readonly references: boolean;
    /** True: the objects are there and are taken over. */
    readonly adopts: boolean;
    /** The same as `objects` for one that is no child of the workload, whose options are these while Pulumi has it. */
    beside(opts: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions | undefined;
    /** Told when every object is there. */
    settled(objects: readonly pulumi.Input<unknown>[]): void;
}

/** How one app reaches the cluster, for its workloads. */
export interface AppDelivery {
    begin(
        workload: pulumi.ComponentResource,
        name: string,
        namespace: string,
        /** Of a part that is a chart. */
        chart?: GitChart,
    ): WorkloadDelivery;
}

export interface GitObjectsArgs {
    /** Whose they are; of objects of no app a word for what they are. */
    readonly app: string;
    readonly namespace: string;
    /** Directory that they are written to. */
    readonly path: string;
    /**
     * `files`: a file each, named after its object, beside those of others; `chart`: none, its Application names a chart;
     * default: a kustomize directory of their own.
     */
    readonly form?: "files" | "chart";
}

/** What Git has of a workload, shown in a plan. The engine never sees it. */
export class GitObjects extends pulumi.ComponentResource {
    static readonly type = "homelab:gitops:Objects";

    constructor(name: string, args: GitObjectsArgs, opts: pulumi.ComponentResourceOptions) {
        super(GitObjects.type, name, args, opts);
        this.registerOutputs({});
    }
}

export interface DeliveriesArgs {
    readonly layout: GitLayout;
    /** Every app that could be declared: one of them that Git had and that is not is `removed`. Absent: none is remembered. */
    readonly known?: readonly string[];
    /** App to choice, for every app of the configuration. */
    readonly choices: Readonly<Record<string, DeliveryChoice>>;
    /** Where the last `up` left each app. */
    readonly before: Delivered;
    /** True in a plan: what Git has is registered below `GitObjects`, for people and for `npm run render`. */
    readonly show: boolean;
}

interface DeclaredApp {
    readonly namespace: string;
    readonly chart: GitChart | undefined;
    readonly stands: pulumi.Resource[];
    readonly settled: pulumi.Output<unknown>[];
}

/** The deliveries of a stack's apps. */
export class Deliveries {
    readonly #states: ReadonlyMap<string, Delivery>;
    readonly #apps = new Map<string, DeclaredApp>();

    constructor(private readonly args: DeliveriesArgs) {
        const parts = Object.entries(args.layout.parts ?? {});
        // A cluster that an earlier version built has parts that its record does not name: Pulumi's.
        const lived = [...Object.keys(args.choices), ...(args.known ?? [])].some(
            (app) => args.before(app) !== undefined,
        );
        const before = (part: string) => args.before(part) ?? (lived ? "pulumi" : undefined);
        this.#states = new Map([
            ...Object.entries(args.choices).map(([app, choice]): [string, Delivery] => [
                app,
                nextDelivery(choice, args.before(app)),
            ]),
            ...parts.flatMap(([part, { choice, chart }]): [string, Delivery][] => {
                if (choice === undefined) return [];
                const next = nextDelivery(choice, before(part));
                // Forgotten, Helm's record of the release would stay, and its name be taken for ever. Git makes it anew.
                return [[part, chart && next === "handing-over" ? "gitops" : next]];
            }),
        ]);
    }

    /** True where what Git has is shown: in a plan. */
    get shown(): boolean {
        return this.args.show;
    }

    /** Whether it is a part of the platform, and no app. */
    isPart(name: string): boolean {
        return name in (this.args.layout.parts ?? {});
    }

    /** Whether Pulumi delivers nothing of it, now or any more. */
    isGits(name: string): boolean {
        return this.#states.get(name) === "gitops";
    }

    /** Apps and parts that Pulumi delivers: an Application of them in Git would be a second owner. */
    get pulumiApps(): string[] {
        return [...this.#states].flatMap(([app, delivery]) => (delivery === "pulumi" ? [app] : [])).sort();
    }

    /** Apps and parts that Git had and that are declared no more. */
    get removed(): string[] {
        const { known = [], before, layout } = this.args;
        return [...known, ...Object.keys(layout.parts ?? {})]
            .filter((app) => !this.#states.has(app) && !["pulumi", undefined].includes(before(app)))
            .sort();
    }

    /** The step of an app is noted only once this is known, too. */
    settle(app: string, done: pulumi.Input<unknown>): void {
        this.#apps.get(app)?.settled.push(pulumi.output(done));
    }

    /** True when objects that exist are to be taken over: a provider refuses them otherwise. */
    get adopts(): boolean {
        return [...this.#states.values()].includes("taking-over");
    }

    /** The platform as one app sees it. */
    platform<P extends { readonly opts: pulumi.ComponentResourceOptions; readonly delivery?: AppDelivery }>(
        app: string,
        platform: P,
    ): P {
        return { ...platform, delivery: { begin: (...args) => this.begin(app, platform.opts, ...args) } };
    }

    /** How a part of the platform reaches the cluster; undefined: this layout does not know it, so Pulumi has it. */
    part(name: string, opts: pulumi.ComponentResourceOptions): AppDelivery | undefined {
        return this.#states.has(name) && this.isPart(name)
            ? { begin: (...args) => this.begin(name, opts, ...args) }
            : undefined;
    }

    /** Apps and parts in which Git has a hand, by name; complete once every app is declared. */
    get gitApps(): GitApp[] {
        return [...this.#apps]
            .flatMap(([app, { namespace, stands, chart }]): GitApp[] => {
                const delivery = this.state(app);
                if (delivery === "pulumi") return [];
                return [{ app, namespace, path: this.path(app, namespace), delivery, stands, chart }];
            })
            .sort((a, b) => (a.app < b.app ? -1 : 1));
    }

    /** What the next `up` must know. Each app is noted once its objects are as they should be, or not at all. */
    get record(): Record<string, pulumi.Output<Recorded>> {
        return {
            ...Object.fromEntries(
                [...this.#apps].map(([app, { settled }]) => [app, pulumi.all(settled).apply(() => this.state(app))]),
            ),
            ...Object.fromEntries(this.removed.map((app) => [app, pulumi.output("removed" as const)])),
        };
    }

    private state(app: string): Delivery {
        return this.#states.get(app) ?? "pulumi";
    }

    private path(app: string, namespace: string): string {
        const { parts = {}, directory } = this.args.layout;
        return parts[app]?.path ?? directory(app, namespace);
    }

    private begin(
        app: string,
        shared: pulumi.ComponentResourceOptions,
        workload: pulumi.ComponentResource,
        name: string,
        namespace: string,
        chart?: GitChart,
    ): WorkloadDelivery {
        const entry = this.#apps.get(app) ?? this.declare(app, namespace, chart);
        entry.stands.push(workload);
        const delivery = this.state(app);
        const shown = delivery === "gitops" && this.args.show;
        const path = this.path(app, namespace);
        const form = chart === undefined ? {} : { form: "chart" as const };
        // No children of the workload: a resource that depends on the workload must not wait for what Git applies.
        const git = shown ? { parent: new GitObjects(name, { app, namespace, path, ...form }, shared) } : undefined;
        // Until the next up has ended well a change of mind must not delete what Git still has. A chart is made anew.
        const between = chart === undefined ? { retainOnDelete: true } : {};
        const options = (own: pulumi.CustomResourceOptions): pulumi.CustomResourceOptions | undefined =>
            ({
                pulumi: own,
                "taking-over": { ...own, ...between },
                "handing-over": { ...own, ...between },
                gitops: git,
            })[delivery];
        return {
            objects: options({ parent: workload }),
            beside: options,
            references: shown,
            adopts: delivery === "taking-over",
            settled: (objects) => entry.settled.push(pulumi.all([...objects])),
        };
    }

    private declare(app: string, namespace: string, chart: GitChart | undefined): DeclaredApp {
        const entry: DeclaredApp = { namespace, chart, stands: [], settled: [] };
        this.#apps.set(app, entry);
        const delivery = this.state(app);
        if (delivery === "handing-over") {
            void pulumi.log.warn(
                `${app} is handed over to Git: its objects stay as they are. Once Git has applied ${this.path(app, namespace)}, run pulumi up again: then Pulumi lets go of them.`,
            );
        } else if (delivery === "taking-over") {
            void pulumi.log.warn(
                `${app} is taken over from Git: its objects stay as they are. Run pulumi up again: then Git lets go of them, and ${this.path(app, namespace)} can be removed.`,
            );
        }
        return entry;
    }
}
