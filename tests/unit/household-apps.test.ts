/** Passwords, the controller of access points, pages and sites: what the pods are told, and what a cluster must have. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appCertificates, appPins, appRules, appSecrets, appsSchema, type Offers } from "../../lab/apps";
import { metalLbFaults } from "../../lab/metallb";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";
import { deploy, testPlatform } from "./test-platform";

async function plan(apps: Record<string, unknown>) {
    const resources = await planComponent(() =>
        deploy(testPlatform({ productivity: "baseline", web: "restricted" }), apps),
    );
    return lookInto(() => ({ resources }));
}
const variables = (container: Inputs) =>
    Object.fromEntries(
        (container["env"] as { name: string; value?: unknown; valueFrom?: unknown }[]).map(
            ({ name, value, valueFrom }) => [name, value ?? valueFrom],
        ),
    );
const parsed = (apps: Record<string, unknown>) => appsSchema.parse(apps);
const OFFERS: Offers = {
    capacity: [],
    gpus: {},
    postgres: false,
    prometheus: false,
    libraries: [],
    devices: false,
    addresses: "required",
    mend: { gpu: "", postgres: "", prometheus: "", library: "", device: "", address: "give it a pool", network: "" },
};
const faults = (apps: Record<string, unknown>, offers: Partial<Offers> = {}) =>
    appRules<{ apps: ReturnType<typeof parsed> }>(() => ({ ...OFFERS, ...offers }))
        .flatMap((rule) => rule({ apps: parsed(apps) }))
        .map(({ rule, path }) => [rule, path]);

describe("vaultwarden", () => {
    test("keeps its vault in its volume, lets nobody sign up, and has no page for administrators (M-APP-25)", async () => {
        const { container, pod, find } = await plan({ vaultwarden: {} });
        const main = container("vaultwarden");
        expect(variables(main)).toMatchObject({
            DOMAIN: "https://vaultwarden.example.net",
            SIGNUPS_ALLOWED: "false",
            ROCKET_PORT: "8080",
        });
        expect(variables(main)).not.toHaveProperty("ADMIN_TOKEN");
        expect(variables(main)).not.toHaveProperty("DATABASE_URL");
        expect(main).not.toHaveProperty("command");
        expect(appSecrets(parsed({ vaultwarden: {} }))).toEqual([]);
        expect(pod("vaultwarden")["securityContext"]).toMatchObject({ runAsNonRoot: true });
        expect(find(":PersistentVolumeClaim", "vaultwarden")).toBeDefined();
        expect(dig(find(":Service", "vaultwarden").inputs, "spec", "ports")).toMatchObject([{ port: 8080 }]);
    });

    test("on the cluster's server the password stands in no URL", async () => {
        const { container } = await plan({ vaultwarden: { database: "postgres" } });
        expect(variables(container("vaultwarden"))).toMatchObject({
            DATABASE_URL: "postgresql://vaultwarden@postgres.database:5432/vaultwarden",
            PGPASSWORD: { secretKeyRef: { name: "vaultwarden-postgres", key: "password" } },
        });
        expect(faults({ vaultwarden: { database: "postgres" } })).toEqual([["app-need-missing", "apps.vaultwarden"]]);
        expect(faults({ vaultwarden: {} })).toEqual([]);
    });

    test("the administrator's token is a hash, or it does not start", async () => {
        expect(appSecrets(parsed({ vaultwarden: { admin: true } }))).toEqual(["vaultwarden.adminToken"]);
        const { container } = await plan({ vaultwarden: { admin: true } });
        const [shell = "", ...rest] = container("vaultwarden")["command"] as string[];
        const start = (token: string) =>
            spawnSync(shell, [...rest.slice(0, -1), (rest.at(-1) ?? "").replace("exec /start.sh", "echo started")], {
                encoding: "utf8",
                env: { ADMIN_TOKEN: token },
            });
        expect(start("$argon2id$v=19$m=65540,t=3,p=4$c2FsdA$aGFzaA")).toMatchObject({ status: 0, stdout: "started\n" });
        const plain = start("correct horse");
        expect(plain.status).toBe(1);
        expect(plain.stderr).toMatch(/vaultwarden\.adminToken is no Argon2 hash/);
        expect(plain.stdout + plain.stderr).not.toContain("correct horse");
    });
});

describe("unifi", () => {
    const UNIFI = { unifi: { address: "10.0.0.35" } };

    test("its image is started when the database answers, for which it would ask forty seconds and never again", async () => {
        const { pod } = await plan(UNIFI);
        const [first] = pod("unifi")["initContainers"] as Inputs[];
        const folder = mkdtempSync(join(tmpdir(), "unifi-"));
        const program = (name: string, text: string) =>
            writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
        program("nc", `echo "$@" >> ${folder}/asked; [ "$(wc -l < ${folder}/asked)" -eq 3 ]`);
        program("sleep", "exit 0");
        try {
            const [shell = "", ...args] = first?.["command"] as string[];
            const given = (first?.["env"] as { name: string; value?: string }[]).map(({ name, value = "" }) => [
                name,
                value,
            ]);
            const { status } = spawnSync(shell, args, {
                env: { ...Object.fromEntries(given), PATH: `${folder}:${process.env["PATH"]}` },
                timeout: 20_000,
            });
            expect(status).toBe(0);
            expect(readFileSync(join(folder, "asked"), "utf8")).toBe(
                "-w1 unifi-mongodb.productivity.svc.cluster.local 27017\n".repeat(3),
            );
        } finally {
            rmSync(folder, { recursive: true });
        }
    });

    test("two Services have one address, each with the ports of its protocol (M-APP-23, M-NET-08)", async () => {
        const { all, find } = await plan(UNIFI);
        expect(
            all("core/v1:Service")
                .map(({ name }) => name)
                .sort(),
        ).toEqual(["unifi-mongodb", "unifi-tcp", "unifi-udp"]);
        const spec = (name: string) => find("core/v1:Service", name).inputs;
        const ports = (name: string) =>
            (dig(spec(name), "spec", "ports") as { port: number; protocol?: string }[]).map(
                ({ port, protocol = "TCP" }) => `${protocol}/${port}`,
            );
        expect(ports("unifi-tcp")).toEqual(["TCP/8443", "TCP/8080", "TCP/6789", "TCP/8843", "TCP/8880"]);
        expect(ports("unifi-udp")).toEqual(["UDP/3478", "UDP/10001", "UDP/5514", "UDP/1900"]);
        for (const name of ["unifi-tcp", "unifi-udp"]) {
            expect(dig(spec(name), "spec", "type")).toBe("LoadBalancer");
            // Of both the traffic policy is Cluster, which is the default: MetalLB shares an address only then.
            expect(spec(name)).not.toHaveProperty("spec.externalTrafficPolicy");
            expect(dig(spec(name), "metadata", "annotations")).toEqual({
                "test/address": "10.0.0.35",
                "test/host": "unifi",
                "test/sharing": "unifi",
            });
            expect(dig(spec(name), "spec", "selector")).toEqual({ "app.kubernetes.io/name": "unifi" });
        }
    });

    test("its pins may share the address, and no other's may", () => {
        const pool = {
            lan: "10.0.0.0/24",
            pool: "10.0.0.30-10.0.0.40",
            taken: [],
            networks: [],
            pinned: appPins(parsed({ ...UNIFI, plex: { address: "10.0.0.32" } })),
        };
        expect(metalLbFaults(pool)).toEqual([]);
        expect(pool.pinned.map(({ path, sharing }) => [path, sharing?.key])).toEqual([
            ["apps.plex.address", undefined],
            ["apps.unifi.address", "unifi"],
            ["apps.unifi.address", "unifi"],
        ]);
        const pinned = appPins(parsed({ ...UNIFI, plex: { address: "10.0.0.35" } }));
        expect(metalLbFaults({ ...pool, pinned }).map(({ rule }) => rule)).toEqual([
            "address-claimed-twice",
            "address-claimed-twice",
        ]);
    });

    test("without an address there is no way in for its devices", () => {
        expect(faults({ unifi: {} })).toEqual([["required", "apps.unifi.address"]]);
        expect(faults({ unifi: {} }, { addresses: "optional" })).toEqual([["required", "apps.unifi.address"]]);
        expect(faults({ unifi: {} }, { addresses: "none" })).toEqual([["app-need-missing", "apps.unifi"]]);
        expect(faults(UNIFI)).toEqual([]);
    });

    test.each([
        ["1Gi", "512", "256"],
        ["2Gi", "1024", "512"],
        ["4Gi", "2048", "1024"],
    ])("of %s half is its heap", async (memory, limit, start) => {
        const { container } = await plan({ unifi: { address: "10.0.0.35", memory } });
        expect(variables(container("unifi"))).toMatchObject({ MEM_LIMIT: limit, MEM_STARTUP: start });
    });

    test("has a MongoDB of its own, with a user for it alone", async () => {
        const { container, pod, find } = await plan(UNIFI);
        const server = container("unifi-mongodb");
        expect(variables(server)).toMatchObject({
            MONGO_INITDB_ROOT_USERNAME: "root",
            MONGO_USER: "unifi",
            MONGO_PASS: { secretKeyRef: { key: "MONGO_PASS" } },
        });
        expect(pod("unifi-mongodb")["securityContext"]).toMatchObject({ runAsNonRoot: true, fsGroup: 1001 });
        expect(variables(container("unifi"))).toMatchObject({
            MONGO_HOST: "unifi-mongodb.productivity.svc.cluster.local",
            MONGO_DBNAME: "unifi",
            MONGO_AUTHSOURCE: "admin",
            // LinuxServer's images drop to these themselves.
            PUID: "1000",
        });
        expect(pod("unifi")["securityContext"]).not.toHaveProperty("runAsUser");
        for (const claim of ["unifi", "unifi-mongodb"]) expect(find(":PersistentVolumeClaim", claim)).toBeDefined();
        // Its page speaks TLS alone.
        expect(dig(container("unifi"), "readinessProbe", "httpGet")).toEqual({
            path: "/status",
            port: "https",
            scheme: "HTTPS",
        });
    });

    test("a password that would break the controller's URL ends the first start, unsaid", async () => {
        const { find } = await plan(UNIFI);
        const [script = ""] = Object.values(
            dig(find(":ConfigMap", "unifi-mongodb").inputs, "data") as object,
        ) as string[];
        const run = (password: string) =>
            spawnSync("bash", ["-ec", `mongosh() { echo "mongosh $1 $2"; }\n${script}`], {
                encoding: "utf8",
                env: { MONGO_PASS: password },
            });
        expect(run("a-good.One_7")).toMatchObject({ status: 0, stdout: "mongosh --quiet --eval\n" });
        for (const password of ["", "a/b", "a&b", "p@ss", "a b"]) {
            const { status, stdout, stderr } = run(password);
            expect([password, status, stdout]).toEqual([password, 1, ""]);
            expect(stderr).toMatch(/unifi\.mongoPassword is empty or has other characters/);
            if (password !== "") expect(stderr).not.toContain(password);
        }
    });
});

describe("pages", () => {
    test("uptime-kuma asks nobody which database it should take (M-APP-24)", async () => {
        const { container, pod } = await plan({ "uptime-kuma": {} });
        expect(variables(container("uptime-kuma"))).toMatchObject({ UPTIME_KUMA_DB_TYPE: "sqlite" });
        expect(pod("uptime-kuma")["securityContext"]).toMatchObject({ runAsNonRoot: true });
        expect(container("uptime-kuma")["volumeMounts"]).toContainEqual({
            name: "app-data",
            mountPath: "/app/data",
        });
    });

    test("homarr has its key from the store (M-APP-22)", async () => {
        expect(appSecrets(parsed({ homarr: { tiles: false } }))).toEqual(["homarr.encryptionKey"]);
        const { container } = await plan({ homarr: {} });
        expect(variables(container("homarr"))).toMatchObject({
            SECRET_ENCRYPTION_KEY: { secretKeyRef: { name: "homarr", key: "SECRET_ENCRYPTION_KEY" } },
            PUID: "1000",
            PGID: "1001",
        });
    });
});

describe("a person's site", () => {
    const image = {
        repository: "ghcr.io/somebody/portfolio",
        tag: "1.2.3",
        digest: `sha256:${"a".repeat(64)}`,
    };

    test("is the person's image, and a page that says so until there is one (M-APP-30, M-APP-31)", async () => {
        const { container, find, all } = await plan({ portfolio: { image }, "portfolio-staging": {} });
        expect(container("portfolio")["image"]).toBe(`ghcr.io/somebody/portfolio:1.2.3@${image.digest}`);
        expect(container("portfolio")).not.toHaveProperty("command");
        expect(container("portfolio-staging")["command"]).toEqual(["httpd", "-f", "-p", "8080", "-h", "/srv/site"]);
        const [page] = Object.values(dig(find(":ConfigMap", "portfolio-staging").inputs, "data") as object) as string[];
        expect(page).toContain("apps.portfolio-staging.image");
        expect(all(":Route").map(({ name }) => name)).toEqual(["portfolio", "portfolio-staging"]);
    });

    test.each([
        ["a tag in its name", { ...image, repository: "ghcr.io/somebody/portfolio:1" }],
        ["no digest", { repository: image.repository, tag: image.tag }],
        ["half a digest", { ...image, digest: "sha256:abc" }],
        ["a URL", { ...image, repository: "https://ghcr.io/somebody/portfolio" }],
    ])("%s is refused", (_what, wrong) => {
        expect(appsSchema.safeParse({ portfolio: { image: wrong } }).success).toBe(false);
    });

    test("a certificate of its own is for clusters that have them", () => {
        const apps = { portfolio: {}, "portfolio-staging": { issuer: "staging" } };
        expect(appCertificates(parsed(apps))).toEqual({ "portfolio-staging": "staging" });
        expect(faults(apps, { ownCertificates: true })).toEqual([]);
        expect(faults(apps)).toEqual([["app-need-missing", "apps.portfolio-staging.issuer"]]);
    });
});

test.each([
    [{ portfolio: { image: { repository: "ghcr.io/somebody/portfolio", tag: "1" } } }, /crane digest/],
    [{ portfolio: { image: {} } }, /without its tag/],
    [{ nextcloud: { maintenanceHour: 25 } }, /^a whole number from 0 to 23$/],
    [{ nextcloud: { maintenanceHour: "at night" } }, /^a whole number from 0 to 23$/],
    [{ homarr: { board: ["household"] } }, /^letters, digits and hyphens/],
    [{ "uptime-kuma": { user: 7 } }, /^letters, digits and \. _ @ -/],
    [{ transmission: { country: "D" } }, /Denmark/],
])("%j is answered in the app's own words", (apps, words) => {
    expect(appsSchema.safeParse(apps).error?.issues[0]?.message).toMatch(words);
});
