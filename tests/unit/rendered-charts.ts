/** Whole charts, where they are at hand, rendered by the real helm with the values of the plans. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findTool } from "../../lib/toolchain";
import type { Plan, PlannedResource } from "../../tools/plan/plan";
import { isRelease, releaseOf, renderRelease, type Rendered } from "../../tools/plan/rendered";
import { ROOT } from "../../stacks/stack-file";

export const CHARTS = join(ROOT, "..", "shared", "charts-full");
const AT_ONCE = 2;

export interface RenderedRelease extends Rendered {
    readonly release: PlannedResource;
    readonly namespace: string;
}

/** Why nothing can be rendered here; undefined where it can. */
export async function cannotRender(): Promise<string | undefined> {
    if (!existsSync(CHARTS)) return "../shared/charts-full is not here";
    return (await findTool("helm")) === undefined ? "helm is neither on the PATH nor in the tool cache" : undefined;
}

/**
 * Renders every release of a plan, as Helm would for that Kubernetes: from the whole charts, or from the given ones by name.
 * Throws for a chart that is not at hand or fails.
 */
export async function renderReleases(
    plan: Pick<Plan, "resources">,
    kubernetes: string,
    directories?: Readonly<Record<string, string>>,
): Promise<RenderedRelease[]> {
    const helm = (await findTool("helm")) ?? "";
    const queue = plan.resources.filter(isRelease);
    const rendered: RenderedRelease[] = [];
    const worker = async () => {
        for (let release = queue.shift(); release !== undefined; release = queue.shift()) {
            const { chart, version, namespace } = releaseOf(release);
            const archive = directories?.[chart] ?? join(CHARTS, `${chart}-${version}.tgz`);
            rendered.push({ release, namespace, ...(await renderRelease(release, archive, kubernetes, helm)) });
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return rendered.sort((a, b) => (a.release.name < b.release.name ? -1 : 1));
}
