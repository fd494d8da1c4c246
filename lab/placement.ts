/** Which machines apps may be on, by name and by the GPU that each gets. */
import type { AppConfig, Requests } from "../apps/app";
import type { GpuKind } from "../components/platform";
import { didYouMean, show, type Fault } from "../config/parse";
import { total } from "../config/quantities";
import type { Declared, Offers } from "./apps";

/** A machine as far as apps may be put on it. */
export interface OfferedNode {
    readonly name: string;
    /** GPUs that can be handed out there, by maker. */
    readonly gpus?: Offers["gpus"];
    readonly capacity?: Requests | undefined;
    /** Why it takes no app; absent: it does. */
    readonly closed?: string;
    /** True: it may be off or not there yet, and what it has counts nowhere. */
    readonly optional?: boolean;
}

/** Machines that are there for sure. */
const sure = ({ nodes = [] }: Pick<Offers, "nodes">): readonly OfferedNode[] =>
    nodes.filter(({ optional }) => optional !== true);

/** GPUs handed out: app to maker, and those for whom there was none. */
interface GpuShares {
    readonly given: ReadonlyMap<string, GpuKind>;
    readonly refused: readonly { readonly declared: Declared; readonly why: "none" | "elsewhere" | "used up" }[];
}

/** Room on machines, for apps of which each may be on some of them: one makes way where it can for another that cannot. */
class Room {
    readonly #wishes = new Map<string, readonly string[]>();
    readonly #placed = new Map<string, string>();

    constructor(private readonly places: ReadonlyMap<string, number>) {}

    /** How many more there is room for. */
    get left(): number {
        return [...this.places.values()].reduce((sum, count) => sum + count, 0) - this.#placed.size;
    }

    /** False where there is none. */
    take(app: string, wish: readonly string[]): boolean {
        this.#wishes.set(app, wish);
        return this.#place(app, new Set());
    }

    #place(app: string, seen: Set<string>): boolean {
        for (const node of this.#wishes.get(app) ?? []) {
            if (seen.has(node)) continue;
            seen.add(node);
            const here = [...this.#placed].filter(([, place]) => place === node).map(([other]) => other);
            if (here.length < (this.places.get(node) ?? 0) || here.some((other) => this.#place(other, seen))) {
                this.#placed.set(app, node);
                return true;
            }
        }
        return false;
    }
}

export type GpuOffers = Pick<Offers, "gpus" | "nodes">;

/** GPUs of a maker by machine; all in one place where machines are not told apart. */
function gpuPlaces(offers: GpuOffers, maker: GpuKind): ReadonlyMap<string, number> {
    return offers.nodes === undefined
        ? new Map([["", offers.gpus[maker] ?? 0]])
        : new Map(sure(offers).map(({ name, gpus: here }) => [name, here?.[maker] ?? 0]));
}

/** Whether apps may be put on the machine; what is wrong with a name that is none is another rule's matter. */
const isOpen = (name: string, { nodes }: Pick<Offers, "nodes">): boolean =>
    nodes === undefined || nodes.some((node) => node.name === name && node.closed === undefined);

/** Whether an app can use a maker's GPUs and its configuration wants no other's. */
const can = ({ app, config: { gpu } }: Declared, maker: string): boolean =>
    app.gpuMakers?.some((one) => one === maker) !== false && (gpu === undefined || gpu === maker);

/** Who must have one goes first; who can do without gets what is left. */
export function shareGpus(declared: readonly Declared[], offers: GpuOffers): GpuShares {
    const makers = (Object.keys(offers.gpus) as GpuKind[]).map((maker) => {
        const places = gpuPlaces(offers, maker);
        return { maker, places, room: new Room(places) };
    });
    const given = new Map<string, GpuKind>();
    const refused: { declared: Declared; why: "none" | "elsewhere" | "used up" }[] = [];
    const users = declared.filter(({ app, config }) => app.gpu !== undefined && config.gpu !== "none");
    const must = ({ app, config }: Declared) => app.gpu === "needed" || config.gpu !== undefined;
    for (const one of [...users.filter(must), ...users.filter((user) => !must(user))]) {
        const { name } = one.app;
        const { nodes } = one.config;
        const right = makers.filter(({ maker }) => can(one, maker));
        const taken = [...right]
            .sort((a, b) => b.room.left - a.room.left)
            .find(({ places, room }) =>
                room.take(
                    name,
                    [...places.keys()].filter((node) => node === "" || nodes?.includes(node) !== false),
                ),
            );
        if (taken !== undefined) {
            given.set(name, taken.maker);
        } else if (must(one) && nodes?.some((name) => !isOpen(name, offers)) !== true) {
            const where = right.flatMap(({ places }) => [...places].filter(([, count]) => count > 0));
            const here = where.some(([node]) => node === "" || nodes?.includes(node) !== false);
            refused.push({ declared: one, why: where.length === 0 ? "none" : here ? "used up" : "elsewhere" });
        }
    }
    return { given, refused };
}

/** GPUs of these machines, or of all. */
export function gpusOn(names: AppConfig["nodes"], offers: Offers): Offers["gpus"] {
    const { gpus } = offers;
    if (names === undefined) return gpus;
    const here = sure(offers).filter(({ name }) => names.includes(name));
    return Object.fromEntries(
        (Object.keys(gpus) as GpuKind[]).map((maker) => [maker, total(here, (node) => node.gpus?.[maker] ?? 0)]),
    );
}

const suits = (user: Declared, { gpus = {} }: OfferedNode): boolean =>
    Object.entries(gpus).some(([maker, count]) => count > 0 && can(user, maker));

/** Machines with a GPU that would do. */
export const withGpu = (offers: Offers, user: Declared): string =>
    sure(offers)
        .filter((node) => suits(user, node))
        .map(({ name }) => name)
        .join(", ");

/** Those with one that would do if they were there for sure. */
export const withGpuAtTimes = ({ nodes = [] }: Offers, user: Declared): string =>
    nodes
        .filter((node) => node.optional === true && suits(user, node))
        .map(({ name }) => name)
        .join(", ");

/** A pod that no machine may take stays pending for ever. */
export function nodesMisplaced(declared: readonly Declared[], { nodes }: Offers): Fault[] {
    return declared.flatMap(({ app, config }): Fault[] => {
        if (config.nodes === undefined) return [];
        const path = `apps.${app.name}.nodes`;
        if (nodes === undefined) {
            return [
                {
                    rule: "nodes-without-choice",
                    path,
                    got: show(config.nodes),
                    allowed: "nothing: on this cluster apps are not put on machines by name",
                    suggestion: "take it out",
                },
            ];
        }
        const open = nodes.filter(({ closed }) => closed === undefined).map(({ name }) => name);
        const each = config.nodes.flatMap((name, index): Fault[] => {
            const node = nodes.find((one) => one.name === name);
            if (node !== undefined && node.closed === undefined) return [];
            return [
                {
                    rule: node === undefined ? "node-unknown" : "node-closed",
                    path: `${path}.${index}`,
                    got: show(name),
                    allowed: `a machine that takes apps: ${open.join(", ")}${node === undefined ? "" : `; ${name} ${node.closed}`}`,
                    ...(node === undefined ? didYouMean(name, open) : {}),
                },
            ];
        });
        const anywhere = config.nodes.some((name) => sure({ nodes }).some((node) => node.name === name));
        if (each.length > 0 || anywhere) return each;
        return [
            {
                rule: "nodes-all-optional",
                path,
                got: show(config.nodes),
                allowed: "a machine among them that is always there; an optional one may be off",
                suggestion: `add one of ${sure({ nodes })
                    .filter(({ closed }) => closed === undefined)
                    .map(({ name }) => name)
                    .join(", ")}`,
            },
        ];
    });
}

/** Apps in one pod: the one that holds the others, first. */
export type Pod = readonly [holder: Declared, ...held: Declared[]];

/** A pod is on one machine and has one maker's GPUs: what stands in it may not call for two. */
export function podsTornApart(pods: readonly Pod[], declared: readonly Declared[], offers: Offers): Fault[] {
    const { given } = shareGpus(declared, offers);
    const places = placesOf(declared, offers);
    return pods.flatMap(([holder, ...held]): Fault[] => {
        const all = [holder, ...held].map(({ app: { name } }) => ({
            name,
            maker: given.get(name),
            here: places(name),
        }));
        const withGpus = all.filter(({ maker }) => maker !== undefined);
        const [first] = withGpus;
        const other = withGpus.find(({ maker }) => maker !== first?.maker);
        if (first !== undefined && other !== undefined) {
            return [
                {
                    rule: "pod-of-two-gpus",
                    path: `apps.${other.name}.gpu`,
                    got: `a GPU by ${other.maker}`,
                    allowed: `one by ${first.maker}, which ${first.name} has in the same pod, that of ${holder.app.name}`,
                    suggestion: `say gpu: ${first.maker} or none of ${other.name}, or leave it out of apps.${holder.app.name}.holds`,
                },
            ];
        }
        // Of one that may be nowhere something else is said.
        const bound = all.filter(({ here }) => here !== undefined && here.length > 0);
        const common = bound.reduce<readonly string[] | undefined>(
            (machines, { here = [] }) => machines?.filter((name) => here.includes(name)) ?? here,
            undefined,
        );
        return common === undefined || common.length > 0
            ? []
            : [
                  {
                      rule: "pod-torn-apart",
                      path: `apps.${holder.app.name}`,
                      got: bound.map(({ name, here = [] }) => `${name} on ${here.join(" or ")}`).join(", "),
                      allowed: "one machine for all that stands in its pod",
                      suggestion: `name other machines under apps.${holder.app.name}.nodes, or leave one of them out of its holds`,
                  },
              ];
    });
}

export function gpuText(gpus: Offers["gpus"]): string {
    const some = Object.entries(gpus).filter(([, count]) => count > 0);
    return some.length === 0 ? "none" : some.map(([maker, count]) => `${count} by ${maker}`).join(", ");
}

/** Machines that an app may be on and that are there for sure, as its configuration and its GPU say; undefined: any. */
export function placesOf(
    declared: readonly Declared[],
    offers: Offers,
): (app: string) => readonly string[] | undefined {
    const nodes = sure(offers);
    const { given } = shareGpus(declared, offers);
    const wishes = new Map(declared.map(({ app, config }) => [app.name, config.nodes]));
    return (app) => {
        const maker = given.get(app);
        const wish = wishes.get(app);
        if (nodes.length === 0 || (maker === undefined && wish === undefined)) return undefined;
        return nodes
            .filter(
                ({ name, gpus }) => wish?.includes(name) !== false && (maker === undefined || (gpus?.[maker] ?? 0) > 0),
            )
            .map(({ name }) => name);
    };
}

/** What these machines have, if the configuration says of each; none for a name that is no machine's. */
export function capacities(names: readonly string[], { nodes = [] }: Offers): readonly Requests[] | undefined {
    const said = nodes.filter(({ name }) => names.includes(name)).map(({ capacity }) => capacity);
    const all = said.filter((one) => one !== undefined);
    return all.length === said.length && all.length > 0 ? all : undefined;
}
