/**
 * Which disks Longhorn gets, and how: none by itself, each by its path and tag, and never one that is not mounted.
 *
 * Longhorn takes a disk's path as it is. Where nothing is mounted it makes its directory on the root disk and fills that
 * (generateFilesystemTypeDiskConfig of longhorn-manager v1.12.1), so somebody looks first. The node annotation
 * `node.longhorn.io/default-disks-config` counts only while a node has no disk at all (syncDefaultDisks), so disks are
 * written into Longhorn's own Node, which holds for the first and for every later one.
 */
import type * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { answeringJob, documents } from "../cluster/answering-job";
import { clusterCommand } from "../cluster/cluster-command";
import { imageReference, images } from "../images";
import type { Cluster } from "../platform";
import { diskName, FILE_SYSTEM_SHARE, tierNames, type LonghornNode } from "./longhorn-tiers";

/** Upstream's name; the driver, the UI's proxy and the uninstaller rely on it. */
export const LONGHORN_NAMESPACE = "longhorn-system";

/** Label of the Jobs that look at the disks of a node; their pods end with `ok` or with what is wrong. */
export const DISKS_JOB = "longhorn-disks";

const inNamespace = `kubectl --namespace ${LONGHORN_NAMESPACE}`;

export interface LonghornDisksArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Nodes with the disks that they shall have; a node without any has none. */
    nodes: readonly LonghornNode[];
    /** Changes with the namespace: in a new one there is everything to do again. */
    bornWith: pulumi.Input<string>;
}

/** Before Longhorn gets them: every disk is a file system of its own, and not the root's. Rejects by node, path and reason. */
export function seenDisks(
    name: string,
    args: LonghornDisksArgs,
    opts: pulumi.CustomResourceOptions,
): command.local.Command {
    const nodes = args.nodes.filter(({ disks }) => disks.length > 0);
    return clusterCommand(
        name,
        args.cluster,
        {
            create: LOOK_AT_DISKS,
            triggers: [args.bornWith, JSON.stringify(nodes)],
            environment: {
                JOBS: documents(nodes.map(diskJob)),
                NODES: nodes.map(({ name }) => name).join(" "),
            },
        },
        opts,
    );
}

/**
 * Longhorn's Nodes have these disks, with their tiers for tags, and no other. A disk that is no longer listed is emptied
 * first: its replicas go to other disks of its tier, and while they find none the disk stays and the command fails.
 */
export function givenDisks(
    name: string,
    args: LonghornDisksArgs,
    opts: pulumi.CustomResourceOptions,
): command.local.Command {
    return clusterCommand(
        name,
        args.cluster,
        {
            create: [DISK_FUNCTIONS, ...args.nodes.flatMap(nodeScript)].join("\n"),
            triggers: [args.bornWith, JSON.stringify(args.nodes)],
        },
        opts,
    );
}

/** The Job that looks at the disks of a node. Its container sees the machine's file systems as they are mounted, and can't write. */
export function diskJob({ name, disks }: LonghornNode) {
    return answeringJob(`${DISKS_JOB}-${name}`, DISKS_JOB, {
        nodeSelector: { "kubernetes.io/hostname": name },
        tolerations: [{ operator: "Exists" }],
        containers: [
            {
                name: "look",
                image: imageReference(images.localPathHelper),
                command: ["sh", "-c", LOOK],
                env: [
                    {
                        name: "DISKS",
                        value: disks.map(({ path, bytes }) => `${path} ${leastBytes(bytes)}`).join("\n"),
                    },
                ],
                // As root: a mount may be another user's.
                securityContext: { runAsUser: 0, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
                resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
                volumeMounts: [
                    { name: "machine", mountPath: "/host", readOnly: true, mountPropagation: "HostToContainer" },
                ],
            },
        ],
        volumes: [{ name: "machine", hostPath: { path: "/", type: "Directory" } }],
    });
}

/** What a disk of this size must show; 0: anything. */
const leastBytes = (bytes: number | undefined): number => Math.floor((bytes ?? 0) * (1 - FILE_SYSTEM_SHARE));

// busybox: `stat -f %T` calls ext2, ext3 and ext4 by one name.
const LOOK = `
set -eu
seen=" "
answer=
fault() { answer="$answer$1; "; }
root=$(stat -c %d /host)
while read -r path least; do
  at="/host$path"
  if ! test -d "$at"; then fault "$path is no directory: mount the disk there"; continue; fi
  device=$(stat -c %d "$at")
  if test "$device" = "$root"; then
    fault "nothing is mounted at $path, so it is the root disk, which Longhorn never gets: mount the disk there"
    continue
  fi
  case "$seen" in *" $device "*) fault "$path is on the same file system as another disk of this node: list it once" ;; esac
  seen="$seen$device "
  kind=$(stat -f -c %T "$at")
  case "$kind" in ext*|xfs|0x58465342) ;; *) fault "$path is $kind: Longhorn needs ext4 or xfs" ;; esac
  bytes=$(stat -f -c '%b %S' "$at" | { read -r blocks size; echo $((blocks * size)); })
  if test "$bytes" -lt "$least"; then fault "$path has $bytes bytes, fewer than its size in the configuration" ; fi
done <<END
$DISKS
END
printf %s "\${answer:-ok}" > "\${ANSWER:-/dev/termination-log}"`.trim();

const LOOK_AT_DISKS = `
test -n "$NODES" || exit 0
# With their pods: one that is on its way out would still answer.
jobs="${inNamespace} delete jobs --selector=app.kubernetes.io/name=${DISKS_JOB} --cascade=foreground --timeout=120s"
$jobs > /dev/null
printf '%s' "$JOBS" | ${inNamespace} create --filename=- > /dev/null
${inNamespace} wait jobs --selector=app.kubernetes.io/name=${DISKS_JOB} --for=condition=Complete --timeout=600s > /dev/null || {
  echo "Nobody could look at the disks of $NODES, so Longhorn gets none: see  ${inNamespace} describe pods --selector=app.kubernetes.io/name=${DISKS_JOB}" >&2
  exit 1
}
found=$(${inNamespace} get pods --selector=app.kubernetes.io/name=${DISKS_JOB} --output=jsonpath='{range .items[*]}{.spec.nodeName}={.status.containerStatuses[0].state.terminated.message}{"\\n"}{end}')
$jobs > /dev/null
faults=$(printf '%s\\n' "$found" | { grep -v '=ok$' || test $? = 1; })
test -z "$faults" || {
  echo "Longhorn was given no disk. By node:" >&2
  printf '%s\\n' "$faults" | sed 's/=/: /; s/; *$//; s/^/  /' >&2
  echo "The paths are nodes.<n>.disks of the configuration: docs/longhorn.md, Disks." >&2
  exit 1
}`.trim();

// A merge patch of a map keeps what it does not name, so that what others write into the Node stays.
const DISK_FUNCTIONS = `
# A change is refused while Longhorn takes up the one before, and while its webhook moves to another pod.
change() {
  for attempt in $(seq 60); do
    said=$(${inNamespace} patch nodes.longhorn.io "$1" --type=merge --patch "$2" 2>&1) && return
    case "$said" in
      *"being syncing"*|*"failed calling webhook"*|*"object has been modified"*) sleep 2 ;;
      *) break ;;
    esac
  done
  echo "$said" >&2
  return 1
}
status() { ${inNamespace} get nodes.longhorn.io "$1" --output=jsonpath="{.status.diskStatus.$2}"; }
remove() {
  disk=\${2//./\\\\.}
  change "$1" "{\\"spec\\":{\\"disks\\":{\\"$2\\":{\\"allowScheduling\\":false,\\"evictionRequested\\":true}}}}"
  case "$(status "$1" "$disk.storageScheduled")" in
    ""|0) ;;
    *)
      echo "Disk $3 of $1 is no longer listed: its replicas move to the other disks of its tier" >&2
      ${inNamespace} wait "nodes.longhorn.io/$1" --for=jsonpath="{.status.diskStatus.$disk.storageScheduled}=0" --timeout=1800s > /dev/null || {
        echo "Disk $3 of $1 still has replicas that find no other disk of its tier; it was not taken from Longhorn, and goes on being emptied." >&2
        echo "Run  pulumi up  again when it is empty, list the disk again, or give the tier another disk: docs/longhorn.md, Removing a disk." >&2
        return 1
      }
      ;;
  esac
  change "$1" "{\\"spec\\":{\\"disks\\":{\\"$2\\":null}}}"
}
ready() {
  ${inNamespace} wait "nodes.longhorn.io/$1" --for=jsonpath="{.status.diskStatus.$2.conditions[?(@.type=='Ready')].status}=True" --timeout=300s > /dev/null || {
    echo "Longhorn does not take disk $3 of $1: $(status "$1" "$2.conditions[?(@.type=='Ready')].message")" >&2
    return 1
  }
}`.trim();

/** The disks as Longhorn's Node has them. */
export const diskSpecs = ({ disks }: LonghornNode) =>
    Object.fromEntries(
        disks.map(({ path, tier }) => [
            diskName(path),
            {
                path,
                diskType: "filesystem",
                allowScheduling: true,
                evictionRequested: false,
                // What is never promised is the file system's own share: see FILE_SYSTEM_SHARE.
                storageReserved: 0,
                tags: [tier],
            },
        ]),
    );

function nodeScript(node: LonghornNode): string[] {
    const { name, disks } = node;
    const wanted = disks.map(({ path }) => diskName(path));
    const spec = { spec: { tags: tierNames([node]).sort(), disks: diskSpecs(node) } };
    return [
        `${inNamespace} wait --for=create nodes.longhorn.io/${name} --timeout=600s > /dev/null`,
        // Before the new ones: a disk under another path is the same file system, which Longhorn refuses twice.
        `disks=$(${inNamespace} get nodes.longhorn.io ${name} --output=go-template='{{range $name, $disk := .spec.disks}}{{$name}} {{$disk.path}}{{"\\n"}}{{end}}')`,
        `printf '%s\\n' "$disks" | while read -r disk path; do case " ${wanted.join(" ")} " in *" $disk "*) ;; *) test -z "$disk" || remove ${name} "$disk" "$path" ;; esac; done`,
        ...(disks.length === 0 ? [] : [`change ${name} '${JSON.stringify(spec)}'`]),
        ...disks.map(({ path }) => `ready ${name} ${diskName(path)} ${path}`),
    ];
}
