/** What earlier lives of a PostgreSQL server left in the bucket, and which of it a new one starts from. */
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { answeringJob } from "../cluster/answering-job";
import { clusterCommand } from "../cluster/cluster-command";
import { imageReference, images } from "../images";
import type { Cluster } from "../platform";

/** `folder`: of the archives in the bucket; absent: its root. */
interface ArchiveBucket {
    readonly endpoint: string;
    readonly bucket: string;
    readonly folder?: string | undefined;
}

/** What stands before the name of each archive. */
export const inFolder = (folder: string | undefined): string => (folder === undefined ? "" : `${folder}/`);

export interface PostgresLifeArgs {
    cluster: Pick<Cluster, "kubeconfig">;
    /** Name of the CloudNativePG Cluster; archives are `<server>-v1`, `<server>-v2` and so on. */
    server: string;
    namespace: pulumi.Input<string>;
    bucket: ArchiveBucket;
    /** Secret with `ACCESS_KEY_ID` and `ACCESS_SECRET_KEY`. */
    credentials: pulumi.Input<string>;
    /** Archives that are never restored from. */
    ignore: readonly string[];
    /** Key of the configuration that names them, for messages. */
    ignoredBy: string;
    /** What is there as long as the server is: made anew, the bucket is looked into anew. */
    bornWith: pulumi.Input<string>;
}

/** One life of a server: the archive that it writes, and the one that it started from. */
export interface PostgresLife {
    readonly archive: string;
    /** Absent: it started empty, because there was no archive at all. */
    readonly from?: string;
}

/** Label of the Jobs that look; its pod prints one line an archive, or one that starts with `!`. */
export const ARCHIVES_JOB = "postgres-archives";

/** Name of the Job that looks for a server's archives. */
const jobName = (server: string): string => `${server}-archives`;

/**
 * The life of a server, decided once when it is made: a server that is there keeps its own; a new one starts from the
 * newest archive with a complete base backup and writes the next. One that could only start empty beside an archive is
 * refused: CloudNativePG would let it run without archiving.
 *
 * The credentials of the bucket are in the cluster alone, so a Job there looks.
 */
export function postgresLife(
    name: string,
    args: PostgresLifeArgs,
    opts: pulumi.CustomResourceOptions,
): pulumi.Output<PostgresLife> {
    const found: command.local.Command = clusterCommand(
        name,
        args.cluster,
        {
            create: life(args),
            // What was decided stays: the provider takes what an update prints.
            update: `printf '%s' "$PULUMI_COMMAND_STDOUT"`,
            triggers: [args.bornWith, args.ignore.join(" ")],
            environment: {
                NAMESPACE: args.namespace,
                SERVER: args.server,
                BUCKET: `s3://${[args.bucket.bucket, args.bucket.folder].filter((part) => part !== undefined).join("/")} at ${args.bucket.endpoint}`,
                IGNORE: args.ignore.join(" "),
                JOB: pulumi.output(args.credentials).apply((secret) => JSON.stringify(archivesJob(args, secret))),
            },
        },
        opts,
    );
    // The kubeconfig makes all of the command secret; names of archives are none.
    return pulumi.unsecret(found.stdout).apply(readLife);
}

/** Reads what the command printed: `<archive> <archive it started from, or ->`. */
export function readLife(line: string): PostgresLife {
    const [archive = "", from = "-"] = line.trim().split(" ");
    return from === "-" ? { archive } : { archive, from };
}

const inNamespace = `kubectl --namespace "$NAMESPACE"`;

const life = ({ server, ignoredBy }: Pick<PostgresLifeArgs, "server" | "ignoredBy">): string =>
    `
server() { ${inNamespace} get clusters.postgresql.cnpg.io "$SERVER" --ignore-not-found --output=jsonpath="$1"; }
refuse() { echo "$1" >&2; exit 1; }
own=$(server '{.spec.plugins[?(@.isWALArchiver==true)].parameters.serverName}')
if test -n "$own"; then
  from=$(server '{.spec.bootstrap.recovery.source}')
  echo "$own \${from:--}"
  exit
fi
job=job/${jobName(server)}
# With its pods: one that is on its way out would still answer.
${inNamespace} delete "$job" --ignore-not-found --cascade=foreground --timeout=120s >&2
printf '%s' "$JOB" | ${inNamespace} create --filename=- >&2
${inNamespace} wait "$job" --for=condition=Complete --timeout=600s >&2 ||
  refuse "Nobody could look for archives of PostgreSQL in $BUCKET, so it is not started: see  ${inNamespace} describe pods --selector=job-name=${jobName(server)}"
archives=$(${inNamespace} get pods --selector=job-name=${jobName(server)} --output=jsonpath='{range .items[*]}{.status.containerStatuses[0].state.terminated.message}{"\\n"}{end}')
${inNamespace} delete "$job" --cascade=foreground --timeout=120s >&2
case "$archives" in
  '!'*) refuse "$BUCKET could not be read, so PostgreSQL is not started: \${archives#!}. Mend the bucket, its keys in the secret store or the endpoint, and run pulumi up again." ;;
  '') refuse "The Job ${jobName(server)} said nothing about $BUCKET, so PostgreSQL is not started. Run pulumi up again." ;;
esac
highest=0 from=- left=
note() { number=\${1##*-v}; test "$number" -le "$highest" || highest=$number; }
for name in $IGNORE; do note "$name"; done
for archive in $archives; do
  name=\${archive%=*}
  test "$name" != none || continue
  note "$name"
  case " $IGNORE " in *" $name "*) continue ;; esac
  if test "\${archive#*=}" = complete; then from=$name left=; else left="$left $name"; fi
done
if test -n "$left"; then
  test "$from" != - || refuse "$BUCKET has$left, which no base backup makes complete, and nothing else that PostgreSQL could start from. It is not started empty. If there never was data in it (an up that was cut short), say so: ${ignoredBy}: [$(echo $left | sed 's/ /, /g')]."
  echo "PostgreSQL starts from $from; passed over without a complete base backup:$left" >&2
fi
echo "$SERVER-v$((highest + 1)) $from"`.trim();

/**
 * Lists the archives in a bucket. The image is the one that writes them, so it is on the nodes anyway; it has Python and
 * boto3 and no shell. Whatever happens is its termination message, and the Job completes.
 */
const listArchives = (folder: string | undefined): string =>
    `
import os, re
import boto3
from botocore.config import Config

def archives():
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["ENDPOINT"],
        config=Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 5}),
    )
    bucket = os.environ["BUCKET"]

    def folders(prefix):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        for page in pages:
            for folder in page.get("CommonPrefixes", []):
                yield folder["Prefix"][len(prefix):-1]

    def complete(archive):
        base = ${folder === undefined ? "" : 'os.environ["FOLDER"] + '}archive + "/base/"
        for backup in folders(base):
            try:
                info = s3.get_object(Bucket=bucket, Key=base + backup + "/backup.info")["Body"].read().decode()
            except s3.exceptions.NoSuchKey:
                continue
            if re.search("^status=DONE$", info, re.MULTILINE):
                return True
        return False

    wanted = re.escape(os.environ["SERVER"]) + "-v([1-9][0-9]*)"
    numbers = sorted(int(match[1]) for match in map(re.compile(wanted).fullmatch, folders(${folder === undefined ? '""' : 'os.environ["FOLDER"]'})) if match)
    names = [os.environ["SERVER"] + "-v" + str(number) for number in numbers]
    # The newest are what matters, and a termination message has 4096 bytes.
    return [name + "=" + ("complete" if complete(name) else "incomplete") for name in names[-50:]]

try:
    answer = " ".join(archives()) or "none"
except Exception as error:
    answer = "!" + " ".join(str(error).split())[:1000]
with open(os.environ.get("ANSWER", "/dev/termination-log"), "w") as message:
    message.write(answer)
print(answer)
`.trim();

/** The Job as it is sent. */
export function archivesJob({ server, bucket }: Pick<PostgresLifeArgs, "server" | "bucket">, credentials: string) {
    const key = (name: string, key: string) => ({ name, valueFrom: { secretKeyRef: { name: credentials, key } } });
    return answeringJob(jobName(server), ARCHIVES_JOB, {
        securityContext: {
            runAsNonRoot: true,
            runAsUser: 26,
            runAsGroup: 26,
            seccompProfile: { type: "RuntimeDefault" },
        },
        containers: [
            {
                name: "list",
                image: imageReference(images.barmanCloudSidecar),
                command: ["python3", "-c", listArchives(bucket.folder)],
                env: [
                    { name: "SERVER", value: server },
                    { name: "ENDPOINT", value: bucket.endpoint },
                    { name: "BUCKET", value: bucket.bucket },
                    ...(bucket.folder === undefined ? [] : [{ name: "FOLDER", value: inFolder(bucket.folder) }]),
                    key("AWS_ACCESS_KEY_ID", "ACCESS_KEY_ID"),
                    key("AWS_SECRET_ACCESS_KEY", "ACCESS_SECRET_KEY"),
                ],
                resources: { requests: { cpu: "50m", memory: "96Mi" }, limits: { memory: "256Mi" } },
                securityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ["ALL"] },
                },
            },
        ],
    });
}
