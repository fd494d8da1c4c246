/** Nextcloud with the programs around it, and the program that tells it of them; headscale with its page. */
import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NextcloudPlan } from "../../components/nextcloud/wiring-plan";
import { appFaults, appHosts, appRules, appSecrets, appsSchema, declaredApps, type Offers } from "../../lab/apps";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform } from "./test-platform";

const ALL = { nextcloud: {}, collabora: {}, whiteboard: {}, elasticsearch: {} };

async function plan(apps: Record<string, unknown>) {
    const resources = await planComponent(() =>
        deploy(testPlatform({ productivity: "baseline", other: "restricted" }), apps),
    );
    return lookInto(() => ({ resources }));
}
const variables = (container: Inputs) =>
    Object.fromEntries(
        (container["env"] as { name: string; value?: unknown; valueFrom?: unknown }[]).map(
            ({ name, value, valueFrom }) => [name, value ?? valueFrom],
        ),
    );
const faults = (apps: Record<string, unknown>) =>
    appRules<{ apps: ReturnType<typeof appsSchema.parse> }>(
        () =>
            ({
                capacity: [],
                gpus: {},
                postgres: true,
                prometheus: false,
                libraries: [],
                devices: false,
                addresses: "none",
                mend: {},
            }) as unknown as Offers,
    )
        .flatMap((rule) => rule({ apps: appsSchema.parse(apps) }))
        .map(({ rule, path }) => [rule, path]);

describe("nextcloud", () => {
    test("has its files in a volume, its data on the cluster's server, its cache in a Redis (M-APP-20)", async () => {
        const { container, pod, find } = await plan({ nextcloud: {} });
        const main = container("nextcloud");
        expect(variables(main)).toMatchObject({
            POSTGRES_HOST: "postgres.database",
            POSTGRES_PASSWORD: { secretKeyRef: { name: "nextcloud-postgres", key: "password" } },
            NEXTCLOUD_ADMIN_USER: { secretKeyRef: { name: "nextcloud", key: "NEXTCLOUD_ADMIN_USER" } },
            CACHE_PORT: "6379",
        });
        // The image's own name for it makes it write where only root can.
        expect(variables(main)).not.toHaveProperty("REDIS_HOST");
        expect(pod("nextcloud")["securityContext"]).toMatchObject({ runAsNonRoot: true, fsGroup: 1001 });
        expect(find(":PersistentVolumeClaim", "nextcloud")).toBeDefined();
        // An upgrade is not killed in the middle.
        expect(dig(main, "startupProbe", "failureThreshold")).toBe(360);
        const files = Object.entries(dig(find(":ConfigMap", "nextcloud").inputs, "data") as Record<string, string>);
        const [, configuration = ""] = files.find(([key]) => key.endsWith("homelab.config.php")) ?? [];
        expect(configuration).toContain(
            "'trusted_domains' => ['nextcloud.example.net', 'nextcloud.productivity.svc.cluster.local', 'localhost']",
        );
        expect(configuration).toContain("'overwriteprotocol' => 'https'");
        expect(configuration).toContain("'trusted_proxies' => ['10.244.0.0/16']");
        expect(configuration).toContain("'memcache.locking' => '\\OC\\Memcache\\Redis'");
        expect(configuration).toContain("'dbpassword' => getenv('POSTGRES_PASSWORD')");
        const syntax = spawnSync("php", ["-l"], { input: configuration, encoding: "utf8" });
        if (syntax.error !== undefined) console.warn("skipped: php is not on the PATH");
        else expect(syntax).toMatchObject({ status: 0 });
    });

    test("its jobs are on its machine, with its files and its environment", async () => {
        const { container, find } = await plan(ALL);
        for (const name of ["nextcloud-cron", "nextcloud-wiring"]) {
            const spec = dig(
                find(":CronJob", name).inputs,
                "spec",
                "jobTemplate",
                "spec",
                "template",
                "spec",
            ) as Inputs;
            expect(dig(spec, "volumes")).toContainEqual({
                name: "var-www-html",
                persistentVolumeClaim: { claimName: "nextcloud" },
            });
            expect(
                dig(spec, "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution", 0),
            ).toMatchObject({ labelSelector: { matchLabels: { "app.kubernetes.io/name": "nextcloud" } } });
            expect(variables(dig(spec, "containers", 0) as Inputs)).toMatchObject({
                POSTGRES_PASSWORD: { secretKeyRef: { name: "nextcloud-postgres", key: "password" } },
                CACHE_HOST: variables(container("nextcloud"))["CACHE_HOST"],
            });
            // The same user: occ refuses another than the owner of its configuration.
            expect(spec["securityContext"]).toMatchObject({ runAsUser: 1000, runAsGroup: 1001 });
            expect(dig(spec, "containers", 0, "image")).toBe(container("nextcloud")["image"]);
        }
    });

    test("is told of collabora, whiteboard and elasticsearch where they are (M-APP-21, M-APP-26, M-APP-27)", async () => {
        const { find, container } = await plan(ALL);
        const read = (from: ReturnType<typeof lookInto>): NextcloudPlan => {
            const files = dig(from.find(":ConfigMap", "nextcloud-wiring").inputs, "data") as Record<string, string>;
            return JSON.parse(files["etc-homelab-plan.json"] ?? "") as NextcloudPlan;
        };
        const { apps, settings, checks, indexes } = read(await plan(ALL));
        expect(apps).toEqual([
            "richdocuments",
            "whiteboard",
            "fulltextsearch",
            "files_fulltextsearch",
            "fulltextsearch_elasticsearch",
        ]);
        // The command of this check forgets the address where it is not given.
        expect(checks).toContainEqual({
            app: "richdocuments",
            occ: [
                "richdocuments:activate-config",
                "--callback-url",
                "http://nextcloud.productivity.svc.cluster.local:8080",
            ],
        });
        expect(settings).toEqual(
            expect.arrayContaining([
                {
                    app: "richdocuments",
                    key: "wopi_url",
                    value: "http://collabora.productivity.svc.cluster.local:9980",
                },
                { app: "richdocuments", key: "public_wopi_url", value: "https://collabora.example.net" },
                { app: "richdocuments", key: "wopi_allowlist", value: "10.244.0.0/16" },
                { app: "whiteboard", key: "collabBackendUrl", value: "https://whiteboard.example.net" },
                { app: "whiteboard", key: "jwt_secret_key", secret: "WHITEBOARD_KEY" },
                {
                    app: "fulltextsearch_elasticsearch",
                    key: "elastic_host",
                    value: "http://elastic:{secret}@elasticsearch.productivity.svc.cluster.local:9200",
                    secret: "SEARCH_KEY",
                },
            ]),
        );
        expect(indexes).toHaveLength(1);
        const job = dig(find(":CronJob", "nextcloud-wiring").inputs, "spec", "jobTemplate", "spec", "template", "spec");
        expect(variables(dig(job, "containers", 0) as Inputs)).toMatchObject({
            WHITEBOARD_KEY: { secretKeyRef: { name: "nextcloud-wiring", key: "WHITEBOARD_KEY" } },
            SEARCH_KEY: { secretKeyRef: { name: "nextcloud-wiring", key: "SEARCH_KEY" } },
        });
        expect(read(await plan({ nextcloud: {} }))).toEqual({
            apps: [],
            settings: [{ app: "core", key: "backgroundjobs_mode", value: "cron" }],
            checks: [],
            indexes: [],
        });
        // And they of it.
        expect(variables(container("collabora"))).toMatchObject({
            aliasgroup1: "https://nextcloud.example.net:443,http://nextcloud.productivity.svc.cluster.local:8080",
            server_name: "collabora.example.net",
        });
        expect(variables(container("whiteboard"))).toMatchObject({
            NEXTCLOUD_URL: "https://nextcloud.example.net",
            JWT_SECRET_KEY: { secretKeyRef: { name: "whiteboard" } },
        });
        const search = container("elasticsearch");
        expect(variables(search)).toMatchObject({ "node.store.allow_mmap": "false", "xpack.security.enabled": "true" });
        expect(search["securityContext"]).toMatchObject({ allowPrivilegeEscalation: false });
    });

    test.each([
        ["1536Mi", "768m"],
        ["2Gi", "1g"],
        ["128Gi", "30g"],
    ])("of %s of elasticsearch half is its heap, as far as pointers stay small", async (memory, heap) => {
        const { container } = await plan({ ...ALL, elasticsearch: { memory } });
        expect(variables(container("elasticsearch"))["ES_JAVA_OPTS"]).toBe(`-Xms${heap} -Xmx${heap}`);
    });

    test("what it is of no use without is a fault, and nothing is built in a circle", () => {
        for (const name of ["collabora", "whiteboard", "elasticsearch"]) {
            expect(faults({ [name]: {} })).toEqual([["partner-missing", `apps.${name}`]]);
        }
        expect(faults(ALL)).toEqual([]);
        expect(declaredApps(appsSchema.parse(ALL)).at(-1)?.app.name).toBe("nextcloud");
        expect([...appSecrets(appsSchema.parse(ALL))].sort()).toEqual([
            "elasticsearch.password",
            "nextcloud.adminPassword",
            "nextcloud.adminUser",
            "whiteboard.jwtSecret",
        ]);
    });
});

const php = spawnSync("php", ["-v"]).error === undefined;

(php ? describe : describe.skip)(`wire.php itself${php ? "" : " (skipped: php is not on the PATH)"}`, () => {
    /** Nextcloud as far as the program sees it: its command and its settings, kept in a file. */
    const OCC = `<?php
        $state = json_decode(file_get_contents(getenv('STATE')), true);
        $a = array_values(array_filter(array_slice($argv, 1), fn ($one) => !str_starts_with($one, '--no-')));
        $state['calls'][] = implode(' ', $a);
        file_put_contents(getenv('STATE'), json_encode($state));
        if (in_array($a[0], $state['broken'])) { echo "no luck with " . getenv('SEARCH_KEY'); exit(3); }
        if ($a[0] === 'status') echo json_encode($state['status']);
        if ($a[0] === 'app:list') echo json_encode($state['apps'], JSON_FORCE_OBJECT);
        if ($a[0] === 'fulltextsearch:index') {
            $state['index'] ??= ['uuid' => 'new', 'count' => 7]; file_put_contents(getenv('STATE'), json_encode($state));
        }
        if ($a[0] === 'app:install') {
            $state['apps']['enabled'][$a[1]] = '1'; file_put_contents(getenv('STATE'), json_encode($state));
        }`;
    const BASE = `<?php
        namespace OCP;
        interface IAppConfig {}
        class Settings implements IAppConfig {
            private function state() { return json_decode(file_get_contents(getenv('STATE')), true); }
            function getValueString($app, $key) { return $this->state()['settings']["$app $key"] ?? ''; }
            function setValueString($app, $key, $value) {
                $state = $this->state(); $state['settings']["$app $key"] = $value;
                file_put_contents(getenv('STATE'), json_encode($state)); return true;
            }
        }
        class Server { static function get($what) { return new Settings(); } }`;
    const READY = { installed: true, maintenance: false, needsDbUpgrade: false, versionstring: "34.0.3" };
    const SEARCH_KEY = "s3cr/t";

    let folder: string;
    let elastic: Server;
    beforeEach(async () => {
        folder = mkdtempSync(join(tmpdir(), "nextcloud-"));
        writeFileSync(join(folder, "occ"), OCC);
        writeFileSync(join(folder, "base.php"), BASE);
        elastic = createServer((request, response) => {
            const expected = `Basic ${Buffer.from(`elastic:${SEARCH_KEY}`).toString("base64")}`;
            const known = request.headers.authorization === expected;
            // occ makes it, in a process of its own.
            const made = state().index;
            const answers: Record<string, object> =
                made === undefined
                    ? {}
                    : {
                          "/nextcloud/_count": { count: made.count },
                          "/nextcloud/_settings": { nextcloud: { settings: { index: { uuid: made.uuid } } } },
                      };
            const body = known ? (answers[request.url ?? ""] ?? { status: 404 }) : { status: 401 };
            response.statusCode = "status" in body ? Number(body.status) : 200;
            response.end(JSON.stringify(body));
        }).listen(0, "127.0.0.1");
        await new Promise((resolve) => elastic.once("listening", resolve));
    });
    afterEach(() => {
        elastic.close();
        rmSync(folder, { recursive: true });
    });

    const start = (state: object) => {
        writeFileSync(
            join(folder, "state"),
            JSON.stringify({
                status: READY,
                apps: { enabled: { files: "1" }, disabled: {} },
                settings: {},
                broken: [],
                calls: [],
                ...state,
            }),
        );
    };
    const state = () =>
        JSON.parse(readFileSync(join(folder, "state"), "utf8")) as {
            calls: string[];
            settings: object;
            /** Of Elasticsearch; nothing where there is none. */
            index?: { uuid: string; count: number };
        };

    async function run(environment: Record<string, string> = { WHITEBOARD_KEY: "jwt", SEARCH_KEY }) {
        const { port } = elastic.address() as AddressInfo;
        const url = `http://127.0.0.1:${port}`;
        const wanted: NextcloudPlan = {
            apps: ["whiteboard", "fulltextsearch"],
            settings: [
                { app: "core", key: "backgroundjobs_mode", value: "cron" },
                { app: "whiteboard", key: "jwt_secret_key", secret: "WHITEBOARD_KEY" },
                {
                    app: "fulltextsearch",
                    key: "host",
                    value: url.replace("//", "//elastic:{secret}@"),
                    secret: "SEARCH_KEY",
                },
            ],
            checks: [{ app: "fulltextsearch", occ: ["fulltextsearch:check"] }],
            indexes: [
                {
                    app: "fulltextsearch",
                    url,
                    name: "nextcloud",
                    user: "elastic",
                    secret: "SEARCH_KEY",
                    occ: ["fulltextsearch:index", "all"],
                },
            ],
        };
        writeFileSync(join(folder, "plan.json"), JSON.stringify(wanted));
        const child = spawn("php", [join(ROOT, "components/nextcloud/wire.php"), join(folder, "plan.json")], {
            env: {
                PATH: process.env["PATH"],
                STATE: join(folder, "state"),
                WIRING_OCC: join(folder, "occ"),
                WIRING_BASE: join(folder, "base.php"),
                ...environment,
            },
        });
        let said = "";
        child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
        child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
        const status = await new Promise((resolve) => child.once("close", resolve));
        return { status, lines: said.trim().split("\n"), port };
    }

    test("installs, sets and fills; a second run changes nothing", async () => {
        start({});
        const { status, lines, port } = await run();
        expect(lines).toEqual([
            "nextcloud: takes settings (34.0.3)",
            "apps: 1 enabled",
            "app whiteboard: installed",
            "app fulltextsearch: installed",
            "core backgroundjobs_mode: set",
            "whiteboard jwt_secret_key: set",
            "fulltextsearch host: set",
            "fulltextsearch:check: ok",
            "index nextcloud: made anew",
        ]);
        expect(status).toBe(0);
        expect(state().settings).toEqual({
            "core backgroundjobs_mode": "cron",
            "whiteboard jwt_secret_key": "jwt",
            "fulltextsearch host": `http://elastic:s3cr%2Ft@127.0.0.1:${port}`,
            "homelab filled nextcloud": "new",
        });
        expect(state().calls).toContain("fulltextsearch:index all");
        expect(state().calls.join("\n")).not.toMatch(/jwt\b(?!_)|s3cr/);
        const again = await run();
        expect(again.status).toBe(0);
        expect(again.lines.filter((line) => /: (set|installed|made anew)$/.test(line))).toEqual([]);
        expect(again.lines.at(-1)).toMatch(/^index nextcloud: unchanged: 7 documents/);
    });

    test.each([
        ["lost, with the note of the one before", "before", undefined],
        ["lost, and one file has changed since", "before", { uuid: "other", count: 1 }],
        ["there, with a fill that was cut short", "", { uuid: "first", count: 3 }],
    ])("an index that is %s is filled from all files, once", async (_what, noted, index) => {
        const settings = noted === "" ? {} : { "homelab filled nextcloud": noted };
        start({ apps: { enabled: { whiteboard: "1", fulltextsearch: "1" }, disabled: {} }, settings, index });
        const fills = () => state().calls.filter((one) => one.startsWith("fulltextsearch:index"));
        expect((await run()).lines).toContain("index nextcloud: made anew");
        expect(fills()).toEqual(["fulltextsearch:index all"]);
        expect((await run()).lines.at(-1)).toMatch(/^index nextcloud: unchanged/);
        expect(fills()).toHaveLength(1);
    });

    test("one whose filling fails halfway is filled again", async () => {
        start({ broken: ["fulltextsearch:index"], index: { uuid: "half", count: 500 } });
        expect((await run()).status).toBe(1);
        expect(state().settings).not.toHaveProperty("homelab filled nextcloud");
        writeFileSync(join(folder, "state"), JSON.stringify({ ...state(), broken: [] }));
        expect((await run()).lines).toContain("index nextcloud: made anew");
        expect(state().settings).toHaveProperty("homelab filled nextcloud", "half");
    });

    test("before it is installed, and in maintenance, it fails and sets nothing", async () => {
        for (const [status, said] of [
            [{ ...READY, installed: false }, /not installed yet/],
            [{ ...READY, maintenance: true }, /in maintenance/],
            [{ ...READY, needsDbUpgrade: true }, /waits for an upgrade/],
        ] as const) {
            start({ status });
            const result = await run();
            expect(result.status).toBe(1);
            expect(result.lines[0]).toMatch(said);
            expect(state()).toMatchObject({ settings: {}, calls: ["status --output=json"] });
        }
    });

    test("what fails is said without its secrets, and does not keep the others from being done", async () => {
        start({ broken: ["fulltextsearch:check"] });
        const { status, lines } = await run();
        expect(status).toBe(1);
        expect(lines).toContain(
            "fulltextsearch:check: FAILED: occ fulltextsearch:check ends with 3: no luck with <secret>",
        );
        expect(lines).toContain("index nextcloud: made anew");
        expect(lines.at(-1)).toBe("1 of the steps failed; all is tried again at the next run");
    });

    test("an app that is switched off stays off and is told of; a wrong password is no empty index", async () => {
        start({ apps: { enabled: { fulltextsearch: "1" }, disabled: { whiteboard: "1" } } });
        const { status, lines } = await run({ WHITEBOARD_KEY: "jwt", SEARCH_KEY: "wrong" });
        expect(status).toBe(1);
        expect(lines.find((line) => line.startsWith("app whiteboard"))).toMatch(/FAILED: it is switched off/);
        expect(state().settings).not.toHaveProperty("whiteboard jwt_secret_key");
        expect(lines.find((line) => line.startsWith("index"))).toMatch(/FAILED: .* refuses \(401\)/);
        expect(state().calls).not.toContain("fulltextsearch:index");
    });

    test("an empty secret is a failure", async () => {
        start({});
        const { status, lines } = await run({ SEARCH_KEY });
        expect(status).toBe(1);
        expect(lines).toContain("whiteboard jwt_secret_key: FAILED: the secret in WHITEBOARD_KEY is empty");
    });
});

describe("headscale", () => {
    test("is the control server at its own host, and keeps the key that its devices know it by (M-APP-28)", async () => {
        const { find, container } = await plan({ headscale: {} });
        const [text = ""] = Object.values(dig(find(":ConfigMap", "headscale").inputs, "data") as object) as string[];
        const configuration = JSON.parse(text) as Inputs;
        expect(configuration).toMatchObject({
            server_url: "https://headscale.example.net",
            noise: { private_key_path: "/var/lib/headscale/noise_private.key" },
            dns: { magic_dns: true, base_domain: "tailnet.example.net" },
            trusted_proxies: ["10.244.0.0/16"],
        });
        expect(container("headscale")["volumeMounts"]).toContainEqual({
            name: "var-lib-headscale",
            mountPath: "/var/lib/headscale",
        });
        expect(container("headscale")["args"]).toEqual(["serve"]);
    });

    const ownFaults = (headscale: object) =>
        appFaults(appsSchema.parse({ headscale }), {
            domain: "example.net",
            networks: [],
            hosts: [...appHosts(appsSchema.parse({ headscale })), ["argocd.host", "argocd"], ["apps.x.host", "x"]],
        });

    test("names of devices beside the server's are none of its faults", () => {
        expect(ownFaults({})).toEqual([]);
        expect(ownFaults({ baseDomain: "devices.example.net" })).toEqual([]);
        expect(ownFaults({ host: "tailnet" })).toMatchObject([{ path: "apps.headscale.host", got: '"tailnet"' }]);
    });

    test.each(["example.net", "headscale.example.net"])("names of devices below %s would hide the server", (name) => {
        expect(ownFaults({ baseDomain: name })).toEqual([
            {
                rule: "headscale-in-its-tailnet",
                path: "apps.headscale.baseDomain",
                got: `"${name}"`,
                allowed: `a domain that no host of the cluster is in; headscale.example.net (apps.headscale.host) is in ${name}`,
                suggestion: "such as tailnet.example.net",
            },
        ]);
    });

    test("names of devices below another host would hide that one", () => {
        expect(ownFaults({ baseDomain: "argocd.example.net" })).toMatchObject([
            { rule: "headscale-in-its-tailnet", allowed: expect.stringContaining("(argocd.host)") as unknown },
        ]);
        const hosts = [["apps.x.host", "tailnet"]] as const;
        expect(
            appFaults(appsSchema.parse({ headscale: {} }), { domain: "example.net", networks: [], hosts }),
        ).toMatchObject([
            { path: "apps.headscale.baseDomain", got: "nothing", suggestion: "or another label at apps.x.host" },
        ]);
    });

    test.each(["house.local", "cluster.local", "devices.cluster.local"])(
        "nobody asks a tailnet for %s",
        (baseDomain) => {
            expect(ownFaults({ baseDomain })).toMatchObject([{ rule: "headscale-names-local" }]);
        },
    );

    test("its page has the API at its own host, as browsers allow no other (M-APP-29)", async () => {
        const { find } = await plan({ headscale: {}, "headscale-ui": {} });
        const [caddyfile = ""] = Object.values(
            dig(find(":ConfigMap", "headscale-ui").inputs, "data") as object,
        ) as string[];
        expect(caddyfile).toContain("reverse_proxy headscale.other.svc.cluster.local:8080");
        expect(faults({ "headscale-ui": {} })).toEqual([["partner-missing", "apps.headscale-ui"]]);
    });
});
