/** Taking over an earlier Ceph: the scripts themselves run here, against a kubectl of the test's. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { cephIdentity, remainsJobs, SAVE_IDENTITY } from "../../components/storage/ceph-identity";
import { planComponent } from "./component-plan";

const folder = mkdtempSync(join(tmpdir(), "ceph-identity-"));
afterAll(() => rmSync(folder, { recursive: true }));

const nodes = [{ name: "node01" }, { name: "node02" }];
const base64 = (text: string) => Buffer.from(text).toString("base64");

async function command(confirmDataLoss: boolean) {
    const resources = await planComponent(() => {
        const args = { cluster: { kubeconfig: pulumi.output("k") }, nodes, confirmDataLoss, bornWith: "uid-1" };
        cephIdentity("ceph-identity", args, {});
    });
    return resources[0]?.inputs as Record<string, string> & { environment: Record<string, string> };
}

/** Runs a script; kubectl answers by patterns over its arguments, and what it applies is written down. */
function run(script: string, answers: Readonly<Record<string, string>>, environment: Record<string, string> = {}) {
    const bin = mkdtempSync(join(folder, "bin-"));
    const arms = Object.entries(answers).map(([pattern, action]) => `${pattern}) ${action} ;;`);
    writeFileSync(
        join(bin, "kubectl"),
        `#!/bin/bash
echo "$*" >> ${bin}/log
case "$*" in
*"apply --server-side"*) cat >> ${bin}/applied; echo >> ${bin}/applied ;;
${arms.join("\n")}
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
`,
    );
    chmodSync(join(bin, "kubectl"), 0o755);
    writeFileSync(join(bin, "log"), "");
    writeFileSync(join(bin, "applied"), "");
    const { status, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", script], {
        encoding: "utf8",
        // Bash takes a socket for a login from afar, and reads the machine's own start-up file.
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: `${bin}${delimiter}${process.env["PATH"]}`, KUBECONFIG: join(bin, "kubeconfig"), ...environment },
    });
    const lines = (name: string) => readFileSync(join(bin, name), "utf8").trim().split("\n");
    const applied = lines("applied").filter((line) => line !== "");
    return { status, stderr, asked: lines("log"), applied, left: readdirSync(bin).sort() };
}

const JOBS = {
    "*'delete jobs'*": ":",
    "*'create --filename=-'*": "cat > /dev/null",
    "*'wait jobs'*": ":",
};
const THERE = "*'get cephclusters.ceph.rook.io'*";
const FOUND = "*'get pods --selector=app.kubernetes.io/name=ceph-remains'*";
const SECRET = { fsid: base64("f"), "mon-secret": base64("k") };
const saved = {
    "*'.data.secret'*": `printf %s '${base64(JSON.stringify(SECRET))}'`,
    "*'.data.endpoints'*": `printf %s '${base64(JSON.stringify({ data: "a=10.96.0.7:6789", maxMonId: "0" }))}'`,
    "*'.data.services'*": `printf %s '${base64("rook-ceph-mon-a 10.96.0.7\nrook-ceph-mon-c 10.96.0.9\n")}'`,
};
const nothingSaved = { "*'.data.'*": ":" };
const script = async (confirm: boolean) => {
    const { create, environment } = await command(confirm);
    return [(create ?? "").split(/\|\| \{ echo "kubectl is not on the PATH.*\n/)[1] ?? "", environment] as const;
};

test("a Ceph that is there is left alone", async () => {
    for (const confirm of [true, false]) {
        const [body, environment] = await script(confirm);
        const { status, asked } = run(body, { [THERE]: "echo cephcluster/rook-ceph" }, environment);
        expect([status, asked.length]).toEqual([0, 1]);
    }
});

test("on empty machines there is nothing to do, and a copy that fits nothing goes", async () => {
    const [body, environment] = await script(false);
    const empty = { [THERE]: ":", [FOUND]: "printf 'node01=none\\nnode02=none\\n'", ...JOBS };
    expect(run(body, { ...empty, ...nothingSaved }, environment)).toMatchObject({ status: 0, applied: [] });
    const stale = run(body, { ...empty, ...saved, "*'delete secret rook-ceph-identity'*": ":" }, environment);
    expect([stale.status, stale.applied]).toEqual([0, []]);
    expect(stale.asked.at(-1)).toBe("--namespace kube-system delete secret rook-ceph-identity --ignore-not-found");
});

test("an earlier Ceph is taken over: addresses first, then keys and places", async () => {
    const [body, environment] = await script(false);
    const answers = { [THERE]: ":", [FOUND]: "printf 'node01=old\\nnode02=none\\n'", ...JOBS, ...saved };
    const { status, applied, stderr } = run(body, answers, environment);
    expect([status, stderr]).toEqual([0, "Taking over the Ceph cluster that is on node01 \n"]);
    expect(applied.map((line) => JSON.parse(line) as unknown)).toMatchObject([
        {
            kind: "Service",
            metadata: { name: "rook-ceph-mon-a", labels: { app: "rook-ceph-mon", ceph_daemon_id: "a" } },
            spec: { clusterIP: "10.96.0.7" },
        },
        { kind: "Service", metadata: { name: "rook-ceph-mon-c" }, spec: { clusterIP: "10.96.0.9" } },
        { kind: "Secret", metadata: { name: "rook-ceph-mon" }, type: "kubernetes.io/rook", data: SECRET },
        { kind: "ConfigMap", metadata: { name: "rook-ceph-mon-endpoints" }, data: { data: "a=10.96.0.7:6789" } },
    ]);
});

test("remains that nothing opens end it at once, with the nodes and the way out", async () => {
    const [body, environment] = await script(false);
    const answers = { [THERE]: ":", [FOUND]: "printf 'node01=old\\nnode02=old\\n'", ...JOBS, ...nothingSaved };
    const { status, stderr, applied } = run(body, answers, environment);
    expect([status, applied]).toEqual([1, []]);
    expect(stderr).toContain("On node01 node02 there is /var/lib/rook of an earlier Ceph cluster");
    expect(stderr).toContain("storage.confirmDataLoss: yes-really-destroy-data");
});

test("nodes that nobody can look at end it", async () => {
    const [body, environment] = await script(false);
    const answers = { [THERE]: ":", ...nothingSaved, ...JOBS, "*'wait jobs'*": "exit 1" };
    expect(run(body, answers, environment)).toMatchObject({ status: 1, applied: [] });
});

test("starting anew is for confirmed data loss alone: the copy goes and the directory is emptied", async () => {
    const [body, environment] = await script(true);
    const answers = { [THERE]: ":", "*'delete secret rook-ceph-identity'*": ":", [FOUND]: "echo node01=none", ...JOBS };
    expect(run(body, answers, environment)).toMatchObject({ status: 0, applied: [] });
    const mounts = (confirmDataLoss: boolean) =>
        remainsJobs({ nodes, confirmDataLoss }).map(({ spec }) => {
            const [container] = spec.template.spec.containers;
            return [container?.env[0]?.value, container?.volumeMounts[0]?.readOnly];
        });
    expect(mounts(true)).toEqual([
        ["yes", false],
        ["yes", false],
    ]);
    expect(mounts(false)).toEqual([
        ["no", true],
        ["no", true],
    ]);
});

test("kubectl gets the Jobs one by one: for a List it would ask for the schema of every kind", async () => {
    const { environment } = await command(false);
    const jobs = (environment["JOBS"] ?? "").split("\n").map((line) => JSON.parse(line) as { kind: string });
    expect(jobs).toEqual(remainsJobs({ nodes, confirmDataLoss: false }));
    expect(jobs.map(({ kind }) => kind)).toEqual(["Job", "Job"]);
});

test("the Job looks, and empties only when it is told to", () => {
    const [job] = remainsJobs({ nodes, confirmDataLoss: false });
    const [container] = job?.spec.template.spec.containers ?? [];
    const rook = join(folder, "rook");
    const look = (empty: string) => {
        const program = (container?.command[2] ?? "").replaceAll("/var/lib/rook", rook);
        const env = { PATH: process.env["PATH"], EMPTY: empty, ANSWER: join(folder, "answer") };
        expect(spawnSync("sh", ["-c", program], { encoding: "utf8", env })).toMatchObject({ status: 0, stderr: "" });
        return [readFileSync(join(folder, "answer"), "utf8"), readdirSync(rook)];
    };
    mkdirSync(rook);
    expect(look("no")).toEqual(["none", []]);
    mkdirSync(join(rook, "rook-ceph"));
    mkdirSync(join(rook, "mon-a", "data"), { recursive: true });
    writeFileSync(join(rook, ".hidden"), "");
    expect(look("no")).toEqual(["old", [".hidden", "mon-a", "rook-ceph"]]);
    expect(look("yes")).toEqual(["none", []]);
});

test("the copy has what opens a cluster, by a private file; without a cluster the one before stays", () => {
    const answers = {
        "*'get secret rook-ceph-mon'*": `printf %s '${JSON.stringify(SECRET)}'`,
        "*'get configmap rook-ceph-mon-endpoints'*": `printf %s '{"data":"a=10.96.0.7:6789"}'`,
        "*'get services'*": "echo 'rook-ceph-mon-a 10.96.0.7'",
        "*'create secret generic rook-ceph-identity'*":
            'for part in "$@"; do case $part in --from-file=*) echo "${part##*/}: $(cat ${part#*=})" ;; esac; done',
        "*'label --local --filename=- '*": 'cat; echo "labelled: $*"',
    };
    const { status, applied, asked, left } = run(SAVE_IDENTITY, answers);
    expect(status).toBe(0);
    expect(applied).toEqual([
        `secret: ${JSON.stringify(SECRET)}`,
        'endpoints: {"data":"a=10.96.0.7:6789"}',
        "services: rook-ceph-mon-a 10.96.0.7",
        // By which machines that lose the cluster's database keep it.
        "labelled: --namespace kube-system label --local --filename=- homelab-infrastructure/outlives=cluster --output=json",
    ]);
    expect(asked.join("\n")).not.toContain(SECRET["mon-secret"]);
    expect(left).toEqual(["applied", "kubectl", "log"]);
    const none = { ...answers, "*'get secret rook-ceph-mon'*": ":" };
    expect(run(SAVE_IDENTITY, none)).toMatchObject({ status: 0, applied: [] });
});
