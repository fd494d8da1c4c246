/** What a new PostgreSQL server starts from: the scripts themselves run here, against a kubectl and a bucket of the test's. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { archivesJob, postgresLife, readLife } from "../../components/database/postgres-archives";
import { LAST_BACKUP, readyScript } from "../../components/database/postgres-scripts";
import { images, imageReference } from "../../components/images";
import { planComponent } from "./component-plan";
import { dig } from "./planned";

const folder = mkdtempSync(join(tmpdir(), "postgres-life-"));
afterAll(() => rmSync(folder, { recursive: true }));

const READY = readyScript({ life: "postgres-life", ignoredBy: "postgres.ignoreArchives", amongOthers: false });

const bucket = { endpoint: "https://minio.example.net", bucket: "cnpg" };

/** A kubectl that answers by `case` patterns over its arguments, and writes down what it was asked. */
function kubectl(answers: Readonly<Record<string, string>>): string {
    const bin = mkdtempSync(join(folder, "bin-"));
    const arms = Object.entries(answers).map(([pattern, action]) => `${pattern}) ${action} ;;`);
    const log = join(bin, "log");
    writeFileSync(
        join(bin, "kubectl"),
        `#!/bin/bash\necho "$*" >> ${log}\ncase "$*" in\n${arms.join("\n")}\n*) echo "unexpected: $*" >&2; exit 9 ;;\nesac\n`,
    );
    chmodSync(join(bin, "kubectl"), 0o755);
    writeFileSync(log, "");
    return bin;
}

function run(script: string, bin: string, environment: Record<string, string> = {}) {
    const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", script], {
        encoding: "utf8",
        // Bash takes a socket for a login from afar, and reads the machine's own start-up file.
        stdio: ["ignore", "pipe", "pipe"],
        env: {
            PATH: `${bin}${delimiter}${process.env["PATH"]}`,
            NAMESPACE: "database",
            SERVER: "postgres",
            ...environment,
        },
    });
    return { status, stdout: stdout.trim(), stderr, asked: readFileSync(join(bin, "log"), "utf8").trim().split("\n") };
}

/** The command as it is planned, without the part that makes a kubeconfig. */
async function lifeCommand(ignore: readonly string[] = []) {
    const resources = await planComponent(() => {
        postgresLife(
            "postgres-life",
            {
                cluster: { kubeconfig: pulumi.output("kubeconfig") },
                server: "postgres",
                namespace: "database",
                bucket,
                credentials: "postgres-s3",
                ignore,
                ignoredBy: "postgres.ignoreArchives",
                bornWith: "uid-1",
            },
            {},
        );
    });
    return resources[0]?.inputs as Record<string, string> & { environment: Record<string, string> };
}
const body = (script: string | undefined) =>
    (script ?? "").split(/\|\| \{ echo "kubectl is not on the PATH.*\n/)[1] ?? "";

const IS_THERE = "*'get clusters.postgresql.cnpg.io postgres'*";
const JOB = {
    "*'delete job/postgres-archives'*": ":",
    "*'create --filename=-'*": "cat > /dev/null",
    "*'wait job/postgres-archives'*": ":",
};
async function decide(archives: string, ignore: readonly string[] = []) {
    const { create, environment } = await lifeCommand(ignore);
    const bin = kubectl({
        [IS_THERE]: ":",
        ...JOB,
        "*'get pods --selector=job-name=postgres-archives'*": `echo '${archives}'`,
    });
    return run(body(create), bin, environment);
}

describe("the life of a new server", () => {
    test.each([
        ["none", [], "postgres-v1 -"],
        ["postgres-v1=complete", [], "postgres-v2 postgres-v1"],
        ["postgres-v1=complete postgres-v2=complete", [], "postgres-v3 postgres-v2"],
        // Two digits, and a gap where a person has tidied up.
        ["postgres-v9=complete postgres-v12=complete", [], "postgres-v13 postgres-v12"],
        // An up that was cut short before its first base backup: no workload had a database there.
        ["postgres-v1=complete postgres-v2=incomplete", [], "postgres-v3 postgres-v1"],
        ["postgres-v1=complete postgres-v2=complete", ["postgres-v2"], "postgres-v3 postgres-v1"],
        ["postgres-v1=incomplete", ["postgres-v1"], "postgres-v2 -"],
        // A name that was ignored is not used again, even when the bucket was emptied.
        ["none", ["postgres-v4"], "postgres-v5 -"],
    ])("%s, ignoring %j: %s", async (archives, ignore, expected) => {
        const { status, stdout, stderr } = await decide(archives, ignore);
        expect([status, stdout, stderr.includes("unexpected")]).toEqual([0, expected, false]);
    });

    test("what is passed over is said", async () => {
        const { stderr } = await decide("postgres-v1=complete postgres-v2=incomplete");
        expect(stderr).toContain("starts from postgres-v1; passed over without a complete base backup: postgres-v2");
    });

    test("it never starts empty beside an archive", async () => {
        const { status, stdout, stderr } = await decide("postgres-v1=incomplete postgres-v2=incomplete");
        expect([status, stdout]).toEqual([1, ""]);
        expect(stderr).toContain("It is not started empty");
        expect(stderr).toContain("postgres.ignoreArchives: [postgres-v1, postgres-v2]");
    });

    test("a bucket that cannot be read stops it, and so does silence", async () => {
        const denied = await decide("!An error occurred (AccessDenied) when calling the ListObjectsV2 operation");
        expect([denied.status, denied.stdout]).toEqual([1, ""]);
        expect(denied.stderr).toMatch(
            "s3://cnpg at https://minio.example.net could not be read, so PostgreSQL is not started: An error occurred (AccessDenied)",
        );
        expect(await decide("")).toMatchObject({ status: 1, stdout: "" });
    });

    test("a server that is there keeps its own, whatever the bucket holds", async () => {
        const { create, environment } = await lifeCommand();
        const living = kubectl({
            "*parameters.serverName*": "echo postgres-v3",
            "*recovery.source*": "echo postgres-v2",
        });
        expect(run(body(create), living, environment)).toMatchObject({ status: 0, stdout: "postgres-v3 postgres-v2" });
        const first = kubectl({ "*parameters.serverName*": "echo postgres-v1", "*recovery.source*": ":" });
        expect(run(body(create), first, environment)).toMatchObject({ status: 0, stdout: "postgres-v1 -" });
    });

    test("it is decided once: an update prints what was decided, and only a new server or another list decides anew", async () => {
        const { update, triggers } = await lifeCommand(["postgres-v2"]);
        const decided = { PULUMI_COMMAND_STDOUT: "postgres-v3 postgres-v1" };
        expect(run(body(update), kubectl({}), decided).stdout).toBe("postgres-v3 postgres-v1");
        expect(dig(triggers, 0)).toBe("uid-1");
        expect(dig(triggers, 1)).toBe("postgres-v2");
    });

    test("what it printed is read", () => {
        expect(readLife("postgres-v1 -\n")).toEqual({ archive: "postgres-v1" });
        expect(readLife("postgres-v3 postgres-v2")).toEqual({ archive: "postgres-v3", from: "postgres-v2" });
    });
});

describe("the Job that looks", () => {
    const jobOf = (folder?: string) =>
        archivesJob({ server: "postgres", bucket: { ...bucket, folder } }, "postgres-s3").spec.template.spec;
    const pod = jobOf();
    const [container] = pod.containers;

    test("is confined, limited and pinned, with the keys from the Secret", () => {
        expect(pod).toMatchObject({
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
        });
        expect(container).toMatchObject({
            image: imageReference(images.barmanCloudSidecar),
            resources: { limits: { memory: "256Mi" } },
            securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
            },
        });
        expect(container?.image).toContain("@sha256:");
        expect(container?.env).toContainEqual({
            name: "AWS_SECRET_ACCESS_KEY",
            valueFrom: { secretKeyRef: { name: "postgres-s3", key: "ACCESS_SECRET_KEY" } },
        });
    });

    const python = spawnSync("python3", ["--version"]).status === 0;
    const there = python ? test : test.skip;
    if (!python) console.log("skipped: no python3, so the listing of a bucket was not run");

    /** Runs the program with a boto3 over the given objects. */
    function list(objects: Record<string, string>, fault = "", { containers: [container] } = pod): string {
        const packages = mkdtempSync(join(folder, "packages-"));
        mkdirSync(join(packages, "botocore"));
        writeFileSync(join(packages, "botocore", "__init__.py"), "");
        writeFileSync(
            join(packages, "botocore", "config.py"),
            "class Config:\n    def __init__(self, **given): pass\n",
        );
        writeFileSync(
            join(packages, "boto3.py"),
            `
import io, json, os
OBJECTS = json.loads(${JSON.stringify(JSON.stringify(objects))})
class NoSuchKey(Exception): pass
class S3:
    class exceptions: NoSuchKey = NoSuchKey
    def get_paginator(self, what):
        assert what == "list_objects_v2"
        return self
    def paginate(self, Bucket, Prefix, Delimiter):
        assert (Bucket, Delimiter) == ("cnpg", "/")
        if ${JSON.stringify(fault)}: raise Exception(${JSON.stringify(fault)})
        found = sorted({Prefix + key[len(Prefix):].split("/")[0] + "/" for key in OBJECTS if key.startswith(Prefix) and "/" in key[len(Prefix):]})
        for prefix in found: yield {"CommonPrefixes": [{"Prefix": prefix}]}
        yield {}
    def get_object(self, Bucket, Key):
        if Key not in OBJECTS: raise NoSuchKey(Key)
        return {"Body": io.BytesIO(OBJECTS[Key].encode())}
def client(kind, endpoint_url, config):
    assert (kind, endpoint_url) == ("s3", os.environ["ENDPOINT"])
    return S3()
`,
        );
        const answer = join(packages, "answer");
        const { status, stderr } = spawnSync("python3", (container?.command ?? []).slice(1), {
            encoding: "utf8",
            env: {
                PATH: process.env["PATH"],
                PYTHONPATH: packages,
                ANSWER: answer,
                ...Object.fromEntries(
                    (container?.env ?? []).flatMap((one) => ("value" in one ? [[one.name, one.value]] : [])),
                ),
            },
        });
        expect([status, stderr]).toEqual([0, ""]);
        return readFileSync(answer, "utf8");
    }

    there("names each archive, and whether a base backup in it was completed", () => {
        expect(list({})).toBe("none");
        expect(
            list({
                "postgres-v1/base/20260101T000000/backup.info": "backup_label=None\nstatus=DONE\n",
                "postgres-v1/wals/0000000100000000/000000010000000000000001.bz2": "",
                "postgres-v2/wals/0000000100000000/000000010000000000000001.bz2": "",
                "postgres-v3/base/20260101T000000/backup.info": "status=FAILED\n",
                "postgres-v3/base/20260102T000000/data.tar.bz2": "",
                "postgres-v10/base/20260101T000000/backup.info": "status=STARTED\n",
                "postgres-v10/base/20260102T000000/backup.info": "status=DONE\n",
                "postgres-v0/x": "",
                "postgres-v2-old/base/20260101T000000/backup.info": "status=DONE\n",
                "other/base/20260101T000000/backup.info": "status=DONE\n",
            }),
        ).toBe("postgres-v1=complete postgres-v2=incomplete postgres-v3=incomplete postgres-v10=complete");
    });

    there("of a server with a folder: in that folder alone", () => {
        const done = "status=DONE\n";
        const objects = {
            "postgres-v7/base/20260101T000000/backup.info": done,
            "cnpg/pg-media/postgres-v1/base/20260101T000000/backup.info": done,
            "cnpg/pg-media/postgres-v2/wals/0000000100000000/000000010000000000000001.bz2": "",
            "cnpg/pg-ai/postgres-v3/base/20260101T000000/backup.info": done,
        };
        expect(list(objects, "", jobOf("cnpg/pg-media"))).toBe("postgres-v1=complete postgres-v2=incomplete");
        expect(list(objects)).toBe("postgres-v7=complete");
    });

    there("ends well and says why when the bucket cannot be read", () => {
        expect(list({}, "An error occurred (403):\n Forbidden")).toBe("!An error occurred (403): Forbidden");
    });
});

describe("a server is done when it can be restored", () => {
    const STATES = {
        "*'--for=condition=Ready'*": ":",
        "*'--for=condition=ContinuousArchiving'*": ":",
        "*metadata.creationTimestamp}*": "echo 2026-02-01T00:00:00Z",
        "*'{.metadata.uid}'*": "echo u1",
    };
    const FIRST = "*'--sort-by=.metadata.creationTimestamp'*";
    const COMPLETED = "*'?(@.status.phase==\"completed\")'*";

    test("a base backup of this life is enough", () => {
        const bin = kubectl({ [FIRST]: "echo backup/first", [COMPLETED]: "echo 2026-02-01T00:05:00Z", ...STATES });
        const { status, asked } = run(READY, bin);
        expect([status, asked.filter((line) => line.includes("create"))]).toEqual([0, []]);
    });

    test("beside other servers theirs are not counted", () => {
        const among = readyScript({
            life: "pg-media-life",
            ignoredBy: "postgres.clusters.media.ignoreArchives",
            amongOthers: true,
        });
        const taken = join(folder, "taken-beside-others");
        const bin = kubectl({
            [FIRST]: ":",
            [COMPLETED]: `test -e ${taken} && echo pg-media 2026-02-02T00:00:00Z; echo pg-ai 2026-02-03T00:00:00Z; echo pg-media 2026-01-01T00:00:00Z`,
            "*'create --filename=-'*": `cat > ${taken}`,
            "*'wait backups.postgresql.cnpg.io/pg-media-first-'*": ":",
            ...STATES,
        });
        expect(run(among, bin, { SERVER: "pg-media" }).status).toBe(0);
        expect(JSON.parse(readFileSync(taken, "utf8"))).toMatchObject({ spec: { cluster: { name: "pg-media" } } });
        const blocked = kubectl({ "*'get clusters'*": ":", "*'--for=condition=Ready'*": "exit 1" });
        expect(run(among, blocked, { SERVER: "pg-media" }).stderr).toMatch(
            /--replace '\*\*::pg-media-life'[^]*postgres\.clusters\.media\.ignoreArchives/,
        );
    });

    test("one of an earlier life is not: another is taken", () => {
        const state = join(folder, "taken");
        const bin = kubectl({
            [FIRST]: ":",
            [COMPLETED]: `test -e ${state} && echo 2026-02-02T00:00:00Z; echo 2026-01-01T00:00:00Z`,
            "*'create --filename=-'*": `cat > ${state}`,
            "*'wait backups.postgresql.cnpg.io/postgres-first-'*": ":",
            ...STATES,
        });
        expect(run(READY, bin).status).toBe(0);
        expect(JSON.parse(readFileSync(state, "utf8"))).toMatchObject({
            kind: "Backup",
            metadata: { ownerReferences: [{ kind: "Cluster", name: "postgres", uid: "u1" }] },
            spec: { cluster: { name: "postgres" }, method: "plugin" },
        });
    });

    test("Ready alone is nothing: a blocked archive ends it with what to do", () => {
        const bin = kubectl({
            ...STATES,
            "*'--for=condition=ContinuousArchiving'*": "exit 1",
            "*ContinuousArchiving*message*": "echo 'Expected empty archive'",
            "*'get clusters.postgresql.cnpg.io'*": "echo postgres-v1",
        });
        const { status, stderr } = run(READY, bin);
        expect(status).toBe(1);
        expect(stderr).toContain("PostgreSQL database/postgres does not archive: Expected empty archive");
        expect(stderr).toContain("pulumi up --replace '**::postgres-life'");
    });

    test("a failed base backup ends it with its error", () => {
        const bin = kubectl({
            [FIRST]: "echo backups/first",
            [COMPLETED]: ":",
            "*'get backups/first'*phase*": "echo running",
            "*'wait backups/first'*": "exit 1",
            "*'get clusters.postgresql.cnpg.io'*": ":",
            ...STATES,
        });
        const failing = readFileSync(join(bin, "kubectl"), "utf8").replace(
            "echo running",
            "if test -e $0.seen; then echo failed; else touch $0.seen; echo running; fi",
        );
        writeFileSync(
            join(bin, "kubectl"),
            failing.replace(
                "*'get backups/first'*phase*)",
                "*'get backups/first'*status.error*) echo 'no space' ;;\n*'get backups/first'*phase*)",
            ),
        );
        const { status, stderr } = run(READY, bin);
        expect(status).toBe(1);
        expect(stderr).toContain("backups/first failed: no space");
        expect(stderr).toContain("has no base backup");
    });
});

describe("the last backup", () => {
    test("is taken and waited for", () => {
        const bin = kubectl({
            "*currentPrimary*": "echo postgres-1",
            "*'{.metadata.uid}'*": "echo u1",
            "*'create --filename=-'*": "cat > /dev/null",
            "*'wait backups.postgresql.cnpg.io/postgres-before-destroy-'*": ":",
        });
        expect(run(LAST_BACKUP, bin).status).toBe(0);
    });

    test("keeps the server when it fails", () => {
        const bin = kubectl({
            "*currentPrimary*": "echo postgres-1",
            "*'{.metadata.uid}'*": "echo u1",
            "*'create --filename=-'*": "cat > /dev/null",
            "*'wait backups.postgresql.cnpg.io/postgres-before-destroy-'*": "exit 1",
            "*status.phase*": "echo failed",
            "*status.error*": "echo 'connection refused'",
        });
        const { status, stderr } = run(LAST_BACKUP, bin);
        expect(status).toBe(1);
        expect(stderr).toContain("connection refused");
        expect(stderr).toContain("backups.beforeDestroy");
    });

    test("is not wanted of a server that never came up, or is gone", () => {
        const { status, stderr, asked } = run(LAST_BACKUP, kubectl({ "*currentPrimary*": ":" }));
        expect([status, asked.length]).toEqual([0, 1]);
        expect(stderr).toContain("never came up");
    });
});
