/** docs/arr-jellyseerr-postgres-migration-runbook.md: who is moved, in which order, and that a shell and the API server can read it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { catalogue } from "../../apps";
import { ROOT } from "../../stacks/stack-file";

const text = readFileSync(join(ROOT, "docs/arr-jellyseerr-postgres-migration-runbook.md"), "utf8");
const blocks = [...text.matchAll(/```sh\n([^]*?)```/g)].map(([, block = ""]) => block);

test("the app is stopped before the load, counted before it is started, and there is a way back (M-DATA-09)", () => {
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
        "Before",
        "Tables",
        "Load",
        "Count",
        "Start",
        "The way back",
    ]);
    expect(blocks[1]).toContain("--replicas=0");
    expect(blocks[4]).toContain("--replicas=1");
});

test("every media app that can be on the server has its row", () => {
    const can = catalogue.filter(
        ({ namespace, config }) =>
            namespace === "media" && config.safeParse({ database: "postgres" }).data?.database === "postgres",
    );
    expect([...text.matchAll(/^\| (\w+) +\| `/gm)].map(([, name]) => name).sort()).toEqual(
        can.map(({ name }) => name).sort(),
    );
});

test("a shell reads every block", () => {
    expect(blocks).toHaveLength(5);
    for (const block of blocks) {
        const { status, stderr } = spawnSync("bash", ["-n"], { input: block, encoding: "utf8" });
        expect([status, stderr]).toEqual([0, ""]);
    }
});

test("what is applied is a pod with the app's volume, its file and its database", () => {
    const [, here = ""] = /<<YAML\n([^]*?)\nYAML/.exec(blocks[2] ?? "") ?? [];
    const { stdout } = spawnSync("bash", ["-c", `cat <<YAML\n${here}\nYAML`], {
        encoding: "utf8",
        env: {
            PATH: process.env["PATH"],
            APP: "sonarr",
            FILE: "sonarr.db",
            HOST: "pg-media-rw.media",
            SECRET: "sonarr-postgres",
        },
    });
    const [map, pod] = parseAllDocuments(stdout).map((document) => document.toJS() as never);
    expect(map).toMatchObject({
        kind: "ConfigMap",
        data: {
            load: expect.stringMatching(
                /FROM sqlite:\/\/\/data\/sonarr\.db\s+INTO postgresql:\/\/sonarr:\{\{PASSWORD\}\}@pg-media-rw\.media:5432\/sonarr\s/,
            ) as string,
        },
    });
    expect(pod).toMatchObject({
        kind: "Pod",
        spec: {
            containers: [
                {
                    env: [
                        { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "sonarr-postgres", key: "password" } } },
                    ],
                },
            ],
            volumes: [{ persistentVolumeClaim: { claimName: "sonarr" } }, { configMap: { name: "to-postgres" } }],
        },
    });
});
