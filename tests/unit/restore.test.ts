/** `npm run restore`: who is stopped for it, what the job is told, and that the app comes back whatever becomes of it. */
import { Kopia } from "../../components/backup/kopia";
import type { Ran } from "../../lib/run-program";
import { listSnapshots, restore, type Around } from "../../tools/restore/restore";
import { planComponent } from "./component-plan";
import { dig, lookInto } from "./planned";
import { testPlatform } from "./test-platform";

/** The CronJob as the program makes it. */
let cronJob: unknown;
beforeAll(async () => {
    const resources = await planComponent(() => {
        const { cluster, secrets } = testPlatform({});
        new Kopia(
            "kopia",
            {
                cluster,
                secrets,
                repository: "/mnt/dpool/kopia-repo",
                data: "/mnt/spool/appdata",
                sources: ["media/sonarr"],
                nodeSelector: {},
                schedule: "30 3 * * *",
                keep: { daily: 7, weekly: 4, monthly: 3 },
            },
            {},
        );
    });
    cronJob = lookInto(() => ({ resources })).find("CronJob", "kopia-restore").inputs;
});

interface World {
    readonly calls: string[];
    readonly said: string[];
    readonly around: Around;
    /** The job that was made. */
    job(): Record<string, unknown> | undefined;
}

const mounts = (claimName: string) => ({ volumes: [{ name: "config", persistentVolumeClaim: { claimName } }] });

/** A cluster with sonarr in it; `kopia`: how its job ends. */
function world(
    given: {
        kopia?: "Complete" | "Failed" | "missing";
        pods?: object[];
        schedules?: object[];
        annotations?: object;
        labels?: object;
        /** Copies of Argo CD's controller; absent: there is none. */
        argo?: number | undefined;
        /** Flux' Kustomization. */
        suspended?: boolean;
        stuck?: boolean;
        refuses?: (line: string) => boolean;
    } = {},
): World {
    const { kopia = "Complete", annotations = {}, labels = {} } = given;
    const calls: string[] = [];
    const said: string[] = [];
    let replicas = 1;
    let made: Record<string, unknown> | undefined;
    let polls = 0;
    let clock = 1_700_000_000_000;
    const deployment = () => ({
        kind: "Deployment",
        metadata: { name: "sonarr", annotations, labels },
        spec: { replicas, template: { spec: mounts("sonarr") } },
    });
    const pod = {
        kind: "Pod",
        metadata: { name: "sonarr-7d4-x" },
        spec: mounts("sonarr"),
        status: { phase: "Running" },
    };
    const answer = (args: string, input: string | undefined): unknown => {
        if (args.includes("get deployments"))
            return {
                items: [
                    deployment(),
                    { ...deployment(), metadata: { name: "plex" }, spec: { template: { spec: mounts("plex") } } },
                ],
            };
        if (args.includes("get pods"))
            return { items: [...(replicas > 0 || given.stuck ? [pod] : []), ...(given.pods ?? [])] };
        if (args.includes("get cronjobs")) return { items: given.schedules ?? [] };
        if (args.includes("get cronjob ")) return cronJob;
        if (args.includes("--namespace argocd get statefulsets"))
            return {
                items:
                    given.argo === undefined
                        ? []
                        : [
                              {
                                  metadata: { name: "argocd-application-controller" },
                                  spec: { replicas: given.argo },
                                  status: { replicas: given.argo },
                              },
                          ],
            };
        if (args.includes("get kustomizations")) return { items: [{ spec: { suspend: given.suspended } }] };
        if (args.startsWith("create")) {
            made = JSON.parse(input ?? "") as Record<string, unknown>;
            return {};
        }
        // It takes a while.
        if (args.includes("get job"))
            return {
                status:
                    polls++ < 2
                        ? {}
                        : { conditions: [{ type: kopia, status: "True", message: "BackoffLimitExceeded" }] },
            };
        return {};
    };
    const kubectl = (args: readonly string[], input?: string): Promise<Ran> => {
        const line = args.join(" ");
        calls.push(line);
        if (given.refuses?.(line) === true) return Promise.resolve({ code: 1, stdout: "", stderr: "not allowed" });
        const scaled = /--replicas=(\d+)/.exec(line)?.[1];
        if (scaled !== undefined) replicas = Number(scaled);
        if (line.includes("get cronjob ") && kopia === "missing") {
            return Promise.resolve({ code: 1, stdout: "", stderr: 'cronjobs.batch "kopia-restore" not found' });
        }
        if (line.includes("logs"))
            return Promise.resolve({ code: 0, stdout: "media/sonarr is as in snapshot k1\n", stderr: "" });
        return Promise.resolve({ code: 0, stdout: JSON.stringify(answer(line, input)), stderr: "" });
    };
    return {
        calls,
        said,
        job: () => made,
        around: {
            kubectl,
            say: (line) => said.push(line),
            now: () => clock,
            sleep: (milliseconds) => {
                clock += milliseconds;
                return Promise.resolve();
            },
        },
    };
}

const suspend = (name: string, on: boolean) =>
    `--namespace media patch cronjob/${name} --type=merge --patch={"metadata":{"annotations":{"homelab/suspended-by-restore":${on ? '"true"' : null}}},"spec":{"suspend":${on}}}`;
const changes = ({ calls }: World) => calls.filter((line) => /scale|create|patch/.test(line));
const variable = (job: unknown, name: string) =>
    (dig(job, "spec", "template", "spec", "containers", 0, "env") as { name: string; value?: string }[]).find(
        (one) => one.name === name,
    );

test("the app is stopped, the job restores the newest snapshot, the app is started as it was", async () => {
    const here = world();
    await restore(here.around, { volume: "media/sonarr" });
    expect(changes(here)).toEqual([
        "--namespace media scale deployment/sonarr --replicas=0",
        "create --filename -",
        "--namespace media scale deployment/sonarr --replicas=1",
    ]);
    const job = here.job();
    expect(job).toMatchObject({
        kind: "Job",
        metadata: { name: "kopia-restore-1700000000", namespace: "kopia" },
        spec: { backoffLimit: 0, ttlSecondsAfterFinished: 86_400 },
    });
    expect([variable(job, "SOURCE"), variable(job, "SNAPSHOT")]).toEqual([
        { name: "SOURCE", value: "media/sonarr" },
        { name: "SNAPSHOT", value: "latest" },
    ]);
    // The password stays a reference.
    expect(variable(job, "KOPIA_PASSWORD")).toHaveProperty("valueFrom");
    expect(dig(job, "spec", "template", "spec", "containers", 0, "command")).toEqual([
        "/bin/sh",
        "/etc/homelab/kopia.sh",
        "restore",
    ]);
    expect(here.said.at(-2)).toBe("media/sonarr is as in snapshot k1");
    expect(here.said[0]).toContain("kubectl -n media scale deployment/sonarr --replicas=1");
});

test("another snapshot than the newest", async () => {
    const here = world();
    await restore(here.around, { volume: "media/sonarr", snapshot: "kf680f64e" });
    expect(variable(here.job(), "SNAPSHOT")).toEqual({ name: "SNAPSHOT", value: "kf680f64e" });
});

test.each(["Complete", "Failed"] as const)("no schedule begins with the volume meanwhile (%s)", async (kopia) => {
    const schedule = (name: string, claim: string, suspend = false, annotations = {}) => ({
        kind: "CronJob",
        metadata: { name, annotations },
        spec: { suspend, jobTemplate: { spec: { template: { spec: mounts(claim) } } } },
    });
    const here = world({
        kopia,
        schedules: [
            schedule("sonarr-cron", "sonarr"),
            schedule("by-hand", "sonarr", true),
            schedule("plex", "plex"),
            // Left so by a restore that was cut short.
            schedule("sonarr-last", "sonarr", true, { "homelab/suspended-by-restore": "true" }),
        ],
    });
    await restore(here.around, { volume: "media/sonarr" }).catch(() => undefined);
    expect(changes(here)).toEqual([
        suspend("sonarr-cron", true),
        suspend("sonarr-last", true),
        "--namespace media scale deployment/sonarr --replicas=0",
        "create --filename -",
        "--namespace media scale deployment/sonarr --replicas=1",
        suspend("sonarr-last", false),
        suspend("sonarr-cron", false),
    ]);
    expect(here.said[0]).toContain(
        `kubectl -n media patch cronjob/sonarr-cron --type=merge '--patch={"metadata":{"annotations":{"homelab/suspended-by-restore":null}},"spec":{"suspend":false}}'`,
    );
    expect(here.said.at(-1)).toBe("sonarr, sonarr-last, sonarr-cron: started again");
});

test.each([
    ["a schedule that cannot be suspended", "patch cronjob/b-cron", 'suspend":true'],
    ["an app that cannot be stopped", "scale deployment/sonarr", "--replicas=0"],
    ["an app that cannot be started again", "scale deployment/sonarr", "--replicas=1"],
])("%s: all else is as it was", async (_what, what, how) => {
    const schedule = (name: string) => ({
        kind: "CronJob",
        metadata: { name },
        spec: { jobTemplate: { spec: { template: { spec: mounts("sonarr") } } } },
    });
    const here = world({
        schedules: [schedule("a-cron"), schedule("b-cron")],
        refuses: (line) => line.includes(what) && line.includes(how),
    });
    await expect(restore(here.around, { volume: "media/sonarr" })).rejects.toThrow("failed: not allowed");
    expect(changes(here)).toContain(suspend("a-cron", false));
    if (how === "--replicas=1")
        expect(here.said).toContain(
            "sonarr could not be started again. Do it by hand:  kubectl -n media scale deployment/sonarr --replicas=1",
        );
});

const ARGO = { "argocd.argoproj.io/tracking-id": "media-sonarr:apps/Deployment:media/sonarr" };
const FLUX = { "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" };

test.each([
    ["Argo CD's, whose controller is stopped", { annotations: ARGO, argo: 0 }],
    ["Argo CD's once, which is gone", { annotations: ARGO, argo: undefined }],
    ["Flux', which pauses", { labels: FLUX, suspended: true }],
])("an app of %s is restored", async (_what, given) => {
    const here = world(given);
    await restore(here.around, { volume: "media/sonarr" });
    expect(here.job()).toBeDefined();
});

test.each([
    [
        { annotations: ARGO, argo: 1 },
        /^Argo CD delivers media\/sonarr and would .*:  kubectl -n argocd scale statefulset argocd-application-controller --replicas=0  and afterwards .* --replicas=1$/,
    ],
    [
        { labels: FLUX, suspended: false },
        /^Flux delivers media\/sonarr and would .*:  kubectl -n flux-system patch kustomizations.kustomize.toolkit.fluxcd.io apps --type=merge --patch '\{"spec":\{"suspend":true\}\}'  and afterwards .*false/,
    ],
])("one that would be started again in the middle is not touched (%#)", async (given, said) => {
    const here = world(given);
    await expect(restore(here.around, { volume: "media/sonarr" })).rejects.toThrow(said);
    expect(changes(here)).toEqual([]);
});

test("a restore that failed says why, and the app runs again on what was there", async () => {
    const here = world({ kopia: "Failed" });
    await expect(restore(here.around, { volume: "media/sonarr" })).rejects.toThrow(
        /^job kopia\/kopia-restore-1700000000 failed: BackoffLimitExceeded\nmedia\/sonarr is as/,
    );
    expect(changes(here).at(-1)).toBe("--namespace media scale deployment/sonarr --replicas=1");
});

test("an app that does not end is not restored under", async () => {
    const here = world({ stuck: true });
    await expect(restore(here.around, { volume: "media/sonarr" })).rejects.toThrow(
        "sonarr-7d4-x did not end within five minutes; nothing was restored",
    );
    expect(here.job()).toBeUndefined();
    expect(changes(here).at(-1)).toBe("--namespace media scale deployment/sonarr --replicas=1");
});

test.each([
    [
        "a pod of nobody's",
        { pods: [{ kind: "Pod", metadata: { name: "debug" }, spec: mounts("sonarr"), status: { phase: "Running" } }] },
        /in use by debug, of no Deployment or StatefulSet; nothing was touched/,
    ],
    ["a cluster without Kopia", { kopia: "missing" as const }, /no CronJob kopia\/kopia-restore.*not found/],
])("%s: refused before anything is stopped", async (_, given, said) => {
    const here = world(given);
    await expect(restore(here.around, { volume: "media/sonarr" })).rejects.toThrow(said);
    expect(changes(here)).toEqual([]);
});

test.each(["", "sonarr", "media/../etc", "media/sonarr/x", "Media/sonarr"])("%p is no volume", async (volume) => {
    const here = world();
    await expect(restore(here.around, { volume })).rejects.toThrow(
        "allowed: <namespace>/<claim>, such as media/sonarr",
    );
    expect(here.calls).toEqual([]);
});

test("what there is, of all volumes or of one; nobody is stopped for it", async () => {
    const here = world();
    await expect(listSnapshots(here.around, undefined)).resolves.toBe("media/sonarr is as in snapshot k1");
    expect(dig(here.job(), "spec", "template", "spec", "containers", 0, "command", 2)).toBe("list");
    expect(variable(here.job(), "SOURCE")).toEqual({ name: "SOURCE", value: "" });
    expect(changes(here)).toEqual(["create --filename -"]);
    const one = world();
    await listSnapshots(one.around, "media/sonarr");
    expect(variable(one.job(), "SOURCE")).toEqual({ name: "SOURCE", value: "media/sonarr" });
});
