import * as pulumi from "@pulumi/pulumi";
import { crdFolder, pinnedFiles, type CrdBundle } from "../crds";
import type { Cluster } from "../platform";
import { clusterCommand } from "./cluster-command";
import { waitEstablished } from "./established";

export interface CustomResourceDefinitionsArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    bundles: readonly CrdBundle[];
}

/**
 * The layer of CustomResourceDefinitions below every chart: whatever sends a custom resource depends on it, so that it
 * comes first and goes last. Another version of a bundle updates its command in place; a replaced one would run the old
 * one's `delete`, and with the definitions go all their objects.
 *
 * A command and not resources, because the definitions are upstream's files: some are larger than the annotation that
 * client-side apply would keep of them, and a preview must not fetch them.
 */
export class CustomResourceDefinitions extends pulumi.ComponentResource {
    constructor(name: string, args: CustomResourceDefinitionsArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:cluster:CustomResourceDefinitions", name, {}, opts);
        for (const bundle of args.bundles) {
            clusterCommand(
                `${name}-${bundle.project}`,
                args.cluster,
                {
                    create: APPLY,
                    update: APPLY,
                    delete: DELETE,
                    environment: {
                        CRD_PROJECT: bundle.project,
                        ...source(bundle),
                        CRD_NAMES: bundle.names.join(" "),
                        CRD_OTHERS: (bundle.others ?? []).join(" "),
                    },
                },
                { parent: this },
            );
        }
        this.registerOutputs({});
    }
}

/** Where the files are, and the checksum that each must have. */
function source(bundle: CrdBundle): { CRD_FOLDER: string; CRD_FILES: string } {
    const { commit, files } = pinnedFiles(bundle);
    return {
        CRD_FOLDER: crdFolder(bundle, commit),
        CRD_FILES: bundle.files.map((file) => `${file}=${files[file] ?? ""}`).join(" "),
    };
}

const APPLY = [
    'files="$work/crds"',
    "checksum() { if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1; }",
    "for file in $CRD_FILES; do",
    '  to="$files/${file%=*}"',
    '  mkdir -p "$(dirname "$to")"',
    '  curl --fail --silent --show-error --location --retry 3 --max-time 120 --output "$to" "$CRD_FOLDER/${file%=*}"',
    '  sum=$(checksum < "$to")',
    '  if [ "$sum" != "${file##*=}" ]; then',
    '    echo "$CRD_FOLDER/${file%=*} has the SHA-256 $sum, and ${file##*=} was expected: nothing of it was applied. Find out who changed it; after an upgrade on purpose run  npm run crds" >&2',
    "    exit 1",
    "  fi",
    "done",
    'if [ -f "$files/kustomization.yaml" ]; then from=(--kustomize "$files"); else from=(--filename "$files" --recursive); fi',
    'kubectl apply --server-side --force-conflicts "${from[@]}"',
    ...waitEstablished("$CRD_NAMES"),
].join("\n");

// An object whose finalizer has no controller any more would hold its definition for ever: say which.
const DELETE = `
for other in $CRD_OTHERS; do kubectl delete "$other" --ignore-not-found; done
if ! kubectl delete crd $CRD_NAMES --ignore-not-found --timeout=300s; then
  for crd in $(kubectl get crd $CRD_NAMES --ignore-not-found --output name); do
    kubectl get "\${crd#*/}" --all-namespaces --output 'jsonpath={range .items[*]}{.kind}{" "}{.metadata.namespace}{"/"}{.metadata.name}{" waits for "}{.metadata.finalizers}{"\\n"}{end}' >&2
  done
  echo "custom resources of $CRD_PROJECT remain: remove them, or the finalizers named above, and run destroy again" >&2
  exit 1
fi
`.trim();
