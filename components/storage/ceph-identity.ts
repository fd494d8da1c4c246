/**
 * How a rebuilt cluster takes over the Ceph that an earlier one left on the same machines: /var/lib/rook has the
 * monitors' databases, the disks belong to them, and what opens both goes with the namespace. A copy of that outlives
 * `destroy`. By Rook's own guide: the Secret and the ConfigMap of the monitors, and Services with their old addresses, by
 * which they know each other (https://rook.io/docs/rook/v1.20/Troubleshooting/disaster-recovery/).
 */
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { answeringJob, documents } from "../cluster/answering-job";
import { clusterCommand } from "../cluster/cluster-command";
import { OUTLIVES_CLUSTER, OUTLIVES_NAMESPACE } from "../cluster/outlives";
import { imageReference, images } from "../images";
import type { Cluster } from "../platform";
import { ROOK_NAMESPACE } from "./rook-operator";

/** Secret with the copy; it is nobody's but these scripts', `destroy` leaves it, and by its label the machines keep it. */
export const CEPH_IDENTITY = { namespace: OUTLIVES_NAMESPACE, name: "rook-ceph-identity" } as const;

/** Label of the Jobs that look into, or empty, /var/lib/rook; their pods end with `old` or `none`. */
export const REMAINS_JOB = "ceph-remains";

const inNamespace = `kubectl --namespace ${ROOK_NAMESPACE}`;
const copy = `kubectl --namespace ${CEPH_IDENTITY.namespace}`;

/** Copies what opens a Ceph cluster to where it outlives it. Nothing where there is no cluster. */
export const SAVE_IDENTITY = `
parts=$(mktemp -d "$(dirname "$KUBECONFIG")/identity-XXXXXX")
${inNamespace} get secret rook-ceph-mon --ignore-not-found --output=jsonpath='{.data}' > "$parts/secret"
${inNamespace} get configmap rook-ceph-mon-endpoints --ignore-not-found --output=jsonpath='{.data}' > "$parts/endpoints"
${inNamespace} get services --selector=app=rook-ceph-mon --output=jsonpath='{range .items[*]}{.metadata.name} {.spec.clusterIP}{"\\n"}{end}' > "$parts/services"
if test -s "$parts/secret" && test -s "$parts/endpoints" && test -s "$parts/services"; then
  ${copy} create secret generic ${CEPH_IDENTITY.name} --dry-run=client --output=json \\
    --from-file="$parts/secret" --from-file="$parts/endpoints" --from-file="$parts/services" |
    ${copy} label --local --filename=- ${OUTLIVES_CLUSTER.key}=${OUTLIVES_CLUSTER.value} --output=json |
    ${copy} apply --server-side --force-conflicts --field-manager=ceph-identity --filename=- > /dev/null
fi
rm -rf "$parts"`.trim();

/** For when the disks are wiped, too: what it opened is gone. */
export const FORGET_IDENTITY = `${copy} delete secret ${CEPH_IDENTITY.name} --ignore-not-found`;

export interface CephIdentityArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    nodes: readonly { readonly name: string }[];
    /** Start anew: forget what there was, and empty /var/lib/rook. */
    confirmDataLoss: boolean;
    /** Changes with the namespace: in a new one there is everything to do again. */
    bornWith: pulumi.Input<string>;
}

/**
 * Before a CephCluster is made: puts back what the last one left, so that monitors and disks are taken over; or empties
 * /var/lib/rook, where that was confirmed. Without either, machines with an earlier Ceph end it at once and by name: the
 * monitors would be waited for in vain. A CephCluster that is there is left alone.
 */
export function cephIdentity(
    name: string,
    args: CephIdentityArgs,
    opts: pulumi.CustomResourceOptions,
): command.local.Command {
    return clusterCommand(
        name,
        args.cluster,
        {
            create: args.confirmDataLoss ? START_ANEW : TAKE_OVER,
            triggers: [args.bornWith, args.confirmDataLoss],
            environment: {
                JOBS: documents(remainsJobs(args)),
                NODES: args.nodes.map(({ name }) => name).join(" "),
            },
        },
        opts,
    );
}

const UNLESS_THERE = `
there=$(${inNamespace} get cephclusters.ceph.rook.io ${ROOK_NAMESPACE} --ignore-not-found --output=name)
test -z "$there" || exit 0`.trim();

/** Runs the Jobs; leaves what they said in $found, as `<node>=<word>` each. */
const JOBS = `
# With their pods: one that is on its way out would still answer.
jobs="${inNamespace} delete jobs --selector=app.kubernetes.io/name=${REMAINS_JOB} --cascade=foreground --timeout=120s"
$jobs > /dev/null
printf '%s' "$JOBS" | ${inNamespace} create --filename=- > /dev/null
${inNamespace} wait jobs --selector=app.kubernetes.io/name=${REMAINS_JOB} --for=condition=Complete --timeout=600s > /dev/null || {
  echo "Nobody could look at /var/lib/rook of the nodes $NODES, so Ceph is not started: see  ${inNamespace} describe pods --selector=app.kubernetes.io/name=${REMAINS_JOB}" >&2
  exit 1
}
found=$(${inNamespace} get pods --selector=app.kubernetes.io/name=${REMAINS_JOB} --output=jsonpath='{range .items[*]}{.spec.nodeName}={.status.containerStatuses[0].state.terminated.message}{"\\n"}{end}')
$jobs > /dev/null`.trim();

const TAKE_OVER = `
${UNLESS_THERE}
saved() { ${copy} get secret ${CEPH_IDENTITY.name} --ignore-not-found --output=jsonpath="{.data.$1}" | base64 --decode; }
secret=$(saved secret)
${JOBS}
old=$(printf '%s\\n' "$found" | sed -n 's/=old$//p' | tr '\\n' ' ')
if test -z "$old"; then
  # Nothing of it is left on the machines.
  test -z "$secret" || ${FORGET_IDENTITY} >&2
  exit 0
fi
if test -z "$secret"; then
  echo "On \${old}there is /var/lib/rook of an earlier Ceph cluster, and what would open it is lost: its monitors would not start, its disks are refused." >&2
  echo "Its data is in the backups. To wipe it and start anew: storage.confirmDataLoss: yes-really-destroy-data, pulumi up, and take the line out again (docs/storage.md)." >&2
  exit 1
fi
echo "Taking over the Ceph cluster that is on \${old}" >&2
put() { ${inNamespace} apply --server-side --force-conflicts --field-manager=ceph-identity --filename=- >&2; }
saved services | while read -r name address; do
  letter=\${name##*-}
  labels="{\\"app\\":\\"rook-ceph-mon\\",\\"ceph_daemon_id\\":\\"$letter\\",\\"mon\\":\\"$letter\\",\\"mon_cluster\\":\\"${ROOK_NAMESPACE}\\",\\"rook_cluster\\":\\"${ROOK_NAMESPACE}\\"}"
  printf '{"apiVersion":"v1","kind":"Service","metadata":{"name":"%s","labels":%s},"spec":{"clusterIP":"%s","selector":%s,"ports":[{"name":"tcp-msgr1","port":6789},{"name":"tcp-msgr2","port":3300}]}}' "$name" "$labels" "$address" "$labels" | put
done
printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"rook-ceph-mon"},"type":"kubernetes.io/rook","data":%s}' "$secret" | put
printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"rook-ceph-mon-endpoints"},"data":%s}' "$(saved endpoints)" | put`.trim();

const START_ANEW = `
${UNLESS_THERE}
${FORGET_IDENTITY} >&2
${JOBS}
echo "/var/lib/rook is empty on $NODES" >&2`.trim();

/** A Job for each node. Rook's own teardown empties the same directory: docs/storage.md. */
export function remainsJobs({ nodes, confirmDataLoss }: Pick<CephIdentityArgs, "nodes" | "confirmDataLoss">) {
    const job = (node: string) =>
        answeringJob(`${REMAINS_JOB}-${node}`, REMAINS_JOB, {
            nodeSelector: { "kubernetes.io/hostname": node },
            tolerations: [{ operator: "Exists" }],
            containers: [
                {
                    name: "look",
                    image: imageReference(images.localPathHelper),
                    command: ["sh", "-c", LOOK],
                    env: [{ name: "EMPTY", value: confirmDataLoss ? "yes" : "no" }],
                    // As root: Ceph's files are another user's.
                    securityContext: { runAsUser: 0, allowPrivilegeEscalation: false },
                    resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
                    volumeMounts: [{ name: "rook", mountPath: "/var/lib/rook", readOnly: !confirmDataLoss }],
                },
            ],
            volumes: [{ name: "rook", hostPath: { path: "/var/lib/rook", type: "DirectoryOrCreate" } }],
        });
    return nodes.map(({ name }) => job(name));
}

const LOOK = `
set -eu
if test "$EMPTY" = yes; then find /var/lib/rook -mindepth 1 -maxdepth 1 -exec rm -rf {} +; fi
answer=none
for store in /var/lib/rook/mon-*; do test ! -e "$store" || answer=old; done
printf %s "$answer" > "\${ANSWER:-/dev/termination-log}"`.trim();
