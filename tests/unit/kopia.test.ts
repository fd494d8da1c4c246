/** Backups of directories by Kopia: the jobs, and their script against a kopia that does what the real one documents. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kopia } from "../../components/backup/kopia";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto, type Inputs } from "./planned";
import { testPlatform } from "./test-platform";

const SCRIPT = join(__dirname, "../../components/backup/kopia.sh");

/**
 * A kopia of folders: a repository is a directory with its password in it; each snapshot a copy, and a line of the list.
 * Like the real one it refuses a wrong password, to create over a repository, and to connect to none.
 */
const PLAYED = `#!/bin/bash
set -eu
config=$KOPIA_CONFIG_PATH
repository() { [ -f "$config" ] || { echo "ERROR repository is not connected" >&2; exit 1; }; cat "$config"; }
# What its cache may hold on this disk; without a limit it keeps all that is young.
limited() {
  content=$(option --content-cache-size-limit-mb "$@"); metadata=$(option --metadata-cache-size-limit-mb "$@")
  [ "$((\${content:-1000000} + \${metadata:-1000000}))" -le 6000 ] || { echo "ERROR no space left on device" >&2; exit 1; }
}
option() { local name=$1; shift; while [ $# -gt 0 ]; do [ "$1" = "$name" ] && { echo "$2"; return; }; shift; done; }
case "$1 $2" in
"repository create")
  limited "$@"
  path=$(option --path "$@"); [ ! -f "$path/kopia.repository" ] || { echo "ERROR found existing data in storage location" >&2; exit 1; }
  printf %s "$KOPIA_PASSWORD" > "$path/kopia.repository"; mkdir -p "$(dirname "$config")"; printf %s "$path" > "$config" ;;
"repository connect")
  limited "$@"
  path=$(option --path "$@"); [ -f "$path/kopia.repository" ] || { echo "ERROR repository not initialized in the provided storage" >&2; exit 1; }
  [ "$(cat "$path/kopia.repository")" = "$KOPIA_PASSWORD" ] || { echo "ERROR invalid repository password" >&2; exit 1; }
  mkdir -p "$(dirname "$config")"; printf %s "$path" > "$config" ;;
"policy set") repository > /dev/null; echo "$*" > "$(repository)/policy" ;;
"snapshot create")
  to=$(repository); id=k$(ls "$to" | wc -l)$RANDOM; cp -a "$3" "$to/$id"; echo "$3 $id" >> "$to/list" ;;
"snapshot list")
  [ "\${3:-}" = --json ] || { grep "^\${3:-}" "$(repository)/list"; exit 0; }
  echo "["; { grep "^$4 " "$(repository)/list" || true; } | while read -r path id; do
    echo "{\\"id\\":\\"0\\",\\"source\\":{\\"path\\":\\"$path\\"},\\"rootEntry\\":{\\"name\\":\\"x\\",\\"obj\\":\\"$id\\",\\"summ\\":{\\"size\\":1}}},"; done; echo "]" ;;
"snapshot restore") [ -d "$(repository)/$3" ] || { echo "ERROR unable to get entry" >&2; exit 1; }; cp -a "$(repository)/$3" "$4" ;;
"maintenance run") repository > /dev/null ;;
*) echo "ERROR unknown: $*" >&2; exit 1 ;;
esac
`;

describe("the script", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "kopia-"));
        for (const path of ["bin", "repository", "data/media/sonarr"])
            mkdirSync(join(folder, path), { recursive: true });
        writeFileSync(join(folder, "bin", "kopia"), PLAYED, { mode: 0o755 });
        write("one");
    });
    afterEach(() => rmSync(folder, { recursive: true }));
    const file = () => join(folder, "data/media/sonarr/sonarr.db");
    const write = (text: string) => writeFileSync(file(), text);
    const run = (word: string, env: Record<string, string> = {}) => {
        const { status, stdout, stderr } = spawnSync("/bin/sh", [SCRIPT, word], {
            encoding: "utf8",
            env: {
                ...process.env,
                PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
                DATA: join(folder, "data"),
                REPOSITORY: join(folder, "repository"),
                KOPIA_PASSWORD: "a password",
                KOPIA_IDENTITY: "truenas",
                SOURCES: "media/sonarr",
                KEEP_DAILY: "7",
                KEEP_WEEKLY: "4",
                KEEP_MONTHLY: "3",
                SOURCE: "media/sonarr",
                SNAPSHOT: "latest",
                ...env,
            },
        });
        return { status, text: `${stdout}${stderr}` };
    };

    test("snapshots, then a restore of the newest; what was there stays beside it (T-BKP-01)", () => {
        expect(run("snapshot")).toMatchObject({ status: 0 });
        write("two");
        expect(run("snapshot")).toMatchObject({ status: 0 });
        expect(readFileSync(join(folder, "repository/policy"), "utf8")).toMatch(
            /--keep-daily 7 --keep-weekly 4 --keep-monthly 3/,
        );
        write("broken");
        const restored = run("restore");
        expect(restored).toMatchObject({ status: 0 });
        expect(restored.text).toMatch(/^media\/sonarr is as in snapshot k/m);
        expect(readFileSync(file(), "utf8")).toBe("two");
        const [before] = readdirSync(join(folder, "data/media")).filter((name) => name.includes(".before-"));
        expect(readFileSync(join(folder, "data/media", before ?? "", "sonarr.db"), "utf8")).toBe("broken");
        expect(existsSync(`${join(folder, "data/media/sonarr")}.restoring`)).toBe(false);
    });

    test("the list has every volume, or one", () => {
        mkdirSync(join(folder, "data/media/radarr"));
        run("snapshot", { SOURCES: "media/sonarr media/radarr" });
        expect(run("list", { SOURCE: "" }).text).toMatch(/media\/sonarr k\S+\n.*media\/radarr k\S+/);
        expect(run("list").text).not.toContain("radarr");
    });

    test("the lost directory of a new machine comes back", () => {
        run("snapshot");
        rmSync(join(folder, "data/media/sonarr"), { recursive: true });
        expect(run("restore")).toMatchObject({ status: 0 });
        expect(readFileSync(file(), "utf8")).toBe("one");
    });

    test("a wrong password is no empty repository", () => {
        run("snapshot");
        const wrong = run("snapshot", { KOPIA_PASSWORD: "another" });
        expect(wrong).toMatchObject({ status: 1 });
        expect(wrong.text).toMatch(/invalid repository password/);
    });

    test("one volume that is missing does not keep the others, and the job fails", () => {
        const half = run("snapshot", { SOURCES: "media/radarr media/sonarr" });
        expect(half).toMatchObject({ status: 1 });
        expect(half.text).toMatch(/not backed up: media\/radarr/);
        expect(run("restore")).toMatchObject({ status: 0 });
    });

    test.each(["", "sonarr", "media/../../etc", "/media/sonarr", "media/sonarr/x", "media/"])(
        "a restore of %p touches nothing",
        (source) => {
            run("snapshot");
            const refused = run("restore", { SOURCE: source });
            expect(refused).toMatchObject({ status: 1 });
            expect(refused.text).toMatch(/it must be <namespace>\/<claim>/);
            expect(readFileSync(file(), "utf8")).toBe("one");
        },
    );

    test("a snapshot that is not there leaves the volume as it is", () => {
        run("snapshot");
        write("mine");
        expect(run("restore", { SNAPSHOT: "kffff" })).toMatchObject({ status: 1 });
        expect(run("restore", { SOURCE: "media/plex" }).text).toMatch(/there is no snapshot of .*media\/plex/);
        expect(readFileSync(file(), "utf8")).toBe("mine");
    });
});

describe("the jobs", () => {
    const plan = async () =>
        lookInto(
            await planComponent(() => {
                const platform = testPlatform({});
                new Kopia(
                    "kopia",
                    {
                        cluster: platform.cluster,
                        repository: "/mnt/dpool/kopia-repo",
                        data: "/mnt/spool/appdata",
                        sources: ["media/plex", "media/sonarr"],
                        nodeSelector: { "kubernetes.io/hostname": "agent" },
                        schedule: "30 3 * * *",
                        keep: { daily: 7, weekly: 4, monthly: 3 },
                        secrets: platform.secrets,
                    },
                    {},
                );
            }).then((resources) => () => ({ resources })),
        );
    const template = (look: Awaited<ReturnType<typeof plan>>, name: string) =>
        dig(look.find("CronJob", name).inputs, "spec", "jobTemplate", "spec", "template", "spec") as Inputs;

    test("a run that failed, a last one too long ago and none at all are alerts, by the names that Kubernetes gives its jobs", async () => {
        const rules = dig((await plan()).find(":PrometheusRule", "kopia-alerts").inputs, "spec", "groups", 0, "rules");
        expect((rules as Inputs[]).map(({ alert, expr }) => [alert, expr])).toEqual([
            [
                "KopiaBackupFailed",
                expect.stringMatching(/^max by \(namespace\) \(kube_job_status_start_time.* > on \(namespace\) /),
            ],
            [
                "KopiaBackupOld",
                'time() - kube_cronjob_status_last_successful_time{namespace="kopia", cronjob="kopia"} > 129600',
            ],
            [
                "KopiaNeverBackedUp",
                'kube_cronjob_info{namespace="kopia", cronjob="kopia"} unless on (namespace, cronjob) kube_cronjob_status_last_successful_time',
            ],
        ]);
        if (haveCrds)
            expect(crdFaults((await plan()).find(":PrometheusRule", "kopia-alerts").inputs as never)).toEqual([]);
    });

    test("one by the clock, which cannot write the data; one that waits for a person", async () => {
        const look = await plan();
        expect(dig(look.find("CronJob", "kopia").inputs, "spec")).toMatchObject({ schedule: "30 3 * * *" });
        expect(dig(look.find("CronJob", "kopia-restore").inputs, "spec")).toMatchObject({ suspend: true });
        const mounts = (name: string) => dig(template(look, name), "containers", 0, "volumeMounts") as Inputs[];
        expect(mounts("kopia")).toContainEqual({ name: "data", mountPath: "/data", readOnly: true });
        expect(mounts("kopia-restore")).toContainEqual({ name: "data", mountPath: "/data" });
        const pod = template(look, "kopia");
        expect(pod["nodeSelector"]).toEqual({ "kubernetes.io/hostname": "agent" });
        expect(pod["volumes"]).toContainEqual({
            name: "repository",
            hostPath: { path: "/mnt/dpool/kopia-repo", type: "Directory" },
        });
        const env = dig(pod, "containers", 0, "env") as Inputs[];
        expect(env).toContainEqual({ name: "SOURCES", value: "media/plex media/sonarr" });
        expect(env).toContainEqual({ name: "KOPIA_IDENTITY", value: "test" });
    });
});
