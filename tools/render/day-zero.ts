/** What stands before Git can deliver anything: Cilium, Argo CD, the root Application. Pulumi's, and written for people. */
import { isObject } from "../plan/monitor";
import type { Plan, PlannedResource } from "../plan/plan";
import { helmUpgrade, plannedRelease, type PlannedRelease } from "../plan/release";
import { assertKnown, documentOf, headingsOf, withoutPulumi, type Fields } from "./objects";

/** Releases that are written, each with who makes its values and what waits for it. */
const RELEASES = [
    {
        name: "cilium",
        what: "the pods' network. It is applied by Pulumi and by people, and by no Application: a cluster without it has no Argo CD to mend it",
        waits: ["daemonset/cilium", "deployment/cilium-operator"],
        more: (stack: string) =>
            `The same as one command, which also frees a release whose last operation was cut off:\n\n\`\`\`sh\nnpm run cilium -- ${stack} --apply\n\`\`\`\n`,
    },
    {
        name: "argocd",
        what: "Argo CD, which then takes the rest from Git",
        waits: [
            "deployment/argocd-server",
            "deployment/argocd-repo-server",
            "statefulset/argocd-application-controller",
        ],
        more: () => "",
    },
] as const;

/** Files below `directory`, of what the plan has of it. */
export function dayZeroFiles(
    plan: Pick<Plan, "stack" | "resources">,
    directory: string,
): { readonly path: string; readonly content: string }[] {
    const { stack } = plan;
    const releases = RELEASES.flatMap((one) => {
        const release = plannedRelease(plan, one.name);
        if (release === undefined) return [];
        const folder = `${directory}/${one.name}`;
        const values = `${folder}/values.yaml`;
        return [
            { path: values, content: documentOf(stack, release.values) },
            {
                path: `${folder}/README.md`,
                content: [
                    headingsOf(stack).markdown,
                    `# ${one.name} on ${stack}\n`,
                    `${one.what.charAt(0).toUpperCase()}${one.what.slice(1)}. From the root of the repository, with KUBECONFIG set:\n`,
                    `\`\`\`sh\n${commands(release, values, one.waits)}\n\`\`\`\n`,
                    one.more(stack),
                ]
                    .filter((text) => text !== "")
                    .join("\n"),
            },
        ];
    });
    const roots = plan.resources.filter(isRoot).map(({ name, inputs }) => {
        const object = withoutPulumi(inputs as Fields);
        assertKnown(object, name);
        return object;
    });
    // The project first: without it Argo CD refuses the Application.
    roots.sort((a, b) => (String(a["kind"]) < String(b["kind"]) ? -1 : 1));
    return roots.length === 0
        ? releases
        : [...releases, { path: `${directory}/root-application/root-app.yaml`, content: documentOf(stack, ...roots) }];
}

const commands = (release: PlannedRelease, values: string, waits: readonly string[]): string =>
    [
        `helm ${helmUpgrade(release, values).join(" ")}`,
        ...waits.map((workload) => `kubectl --namespace ${release.namespace} rollout status ${workload}`),
    ].join("\n");

/** The root Application and its project: children of the one component that makes them. */
const isRoot = ({ urn, inputs }: PlannedResource): boolean =>
    isObject(inputs) &&
    /homelab:gitops:RootApplication\$kubernetes:argoproj\.io\/v1alpha1:(Application|AppProject)::/.test(urn);
