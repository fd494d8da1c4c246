/** The platform's areas in the tree: what of each Git has, and what Pulumi keeps and why. */
import type { GitLayout } from "../../components/gitops/delivery";
import { markdownTable } from "../docs/markdown";
import { deliveredByGit } from "../plan/git";
import { keptByPulumi } from "../plan/owners";
import type { Plan } from "../plan/plan";
import { headingsOf } from "./objects";

const NAMED = ["charts", "bridges"];

/** A README for each area. */
export function areaFiles(
    plan: Pick<Plan, "stack" | "resources">,
    { areas = {} }: Pick<GitLayout, "areas">,
): { readonly path: string; readonly content: string }[] {
    const owners = [...deliveredByGit(plan).values()].filter(({ form }) => form !== "files");
    const kept = keptByPulumi(plan);
    return Object.entries(areas).map(([area, directory]) => {
        const parts = new Map(
            owners.filter(({ path }) => path.startsWith(`${directory}/`)).map(({ app, form }) => [app, form]),
        );
        const rows = kept
            .filter((one) => one.area === area)
            // Only names that do not follow from the apps: each app would change the page of storage.
            .map(({ what, names, why }) => [what, NAMED.includes(what) ? names.join(", ") : "", why]);
        return {
            path: `${directory}/README.md`,
            content: [
                headingsOf(plan.stack).markdown,
                `# ${area} of ${plan.stack}\n`,
                parts.size === 0
                    ? "Nothing of it is Git's.\n"
                    : [...parts]
                          .sort(([a], [b]) => (a < b ? -1 : 1))
                          .map(
                              ([part, form]) =>
                                  `- \`${part}\`: ${form === "chart" ? "a chart, with its values in its Application" : `\`${directory}/${part}/\``}\n`,
                          )
                          .join(""),
                ...(rows.length === 0
                    ? []
                    : ["What Pulumi keeps:\n", `${markdownTable(["what", "names", "why not by Git"], rows)}\n`]),
            ].join("\n"),
        };
    });
}
