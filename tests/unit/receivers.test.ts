/** Whom Alertmanager tells: configuration, secrets, the object and the chart's values. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { charts } from "../../components/charts";
import { PrometheusStack, prometheusStackValues } from "../../components/monitoring/prometheus-stack";
import { alertmanagerConfig, receiverRefs, receiverSecret, type Receiver } from "../../components/monitoring/receivers";
import { receivers as schema } from "../../config/receivers";
import { receiverNotes } from "../../lab/observability";
import { openStack } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { cacheFolder } from "../../lib/toolchain";
import { planComponent } from "./component-plan";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, lookInto, type Inputs } from "./planned";
import { testPlatform, type TestPlatform } from "./test-platform";

jest.setTimeout(120_000);

const all: Receiver[] = schema.parse([
    { kind: "ntfy", token: true },
    { kind: "discord", severity: "critical" },
    { kind: "telegram", chatId: -1001234567890 },
    { kind: "pushover" },
    {
        kind: "mail",
        to: "me@example.net",
        from: "lab@example.net",
        server: "smtp.example.net:587",
        username: "lab",
    },
    { kind: "webhook" },
    { kind: "webhook", name: "second" },
]);

describe("the configuration", () => {
    const faults = (value: unknown) =>
        schema.safeParse(value).error?.issues.map(({ path, message }) => [path.join("."), message]) ?? [];

    test("names kinds, and takes none for an answer", () => {
        expect(schema.parse([])).toEqual([]);
        expect(all.map(({ name, severity }) => [name, severity])).toEqual([
            ["ntfy", "warning"],
            ["discord", "critical"],
            ["telegram", "warning"],
            ["pushover", "warning"],
            ["mail", "warning"],
            ["webhook", "warning"],
            ["second", "warning"],
        ]);
    });

    test.each([
        [[{ kind: "slack" }], "0.kind", "kind: ntfy, discord, telegram, pushover, mail or webhook"],
        [[{ kind: "telegram" }], "0.chatId", "a chat's number such as -1001234567890"],
        [
            [{ kind: "ntfy", server: "http://ntfy.lan" }],
            "0.server",
            "an https URL without a path such as https://ntfy.sh",
        ],
        [
            [{ kind: "mail", to: "me@example.net", from: "x@example.net", server: "smtp", username: "x" }],
            "0.server",
            "host and port such as smtp.example.net:587",
        ],
        [[{ kind: "discord" }, { kind: "discord" }], "1.name", "a name that no other receiver has, and not null"],
        [[{ kind: "discord", severity: "info" }], "0.severity", "warning or critical"],
    ])("%j is a fault", (value, path, message) => {
        expect(faults(value)).toContainEqual([path, message]);
    });

    test("has no secret in it: an address with a token, or a token, is an unknown key", () => {
        for (const key of ["url", "webhookUrl", "botToken", "password", "topic"]) {
            expect(faults([{ kind: "webhook", [key]: "x" }])).toHaveLength(1);
        }
    });
});

describe("secrets", () => {
    const REFS = [
        "alerts.ntfy.topic",
        "alerts.ntfy.token",
        "alerts.discord.webhookUrl",
        "alerts.telegram.botToken",
        "alerts.pushover.userKey",
        "alerts.pushover.apiToken",
        "alerts.mail.password",
        "alerts.webhook.url",
        "alerts.second.url",
    ];

    test("come from the stack's store, by the receiver's name", () => {
        expect(receiverRefs(all)).toEqual(REFS);
        const { data, templates } = receiverSecret(all);
        expect(data).toMatchObject({
            "telegram-botToken": "alerts.telegram.botToken",
            "second-url": "alerts.second.url",
        });
        // A topic's name is all that keeps others out of it.
        expect(templates["ntfy-topic"]?.((ref) => `<${ref}>`)).toBe(
            "https://ntfy.sh/<alerts.ntfy.topic>?template=alertmanager",
        );
        expect([...Object.keys(data), ...Object.keys(templates)]).toHaveLength(REFS.length);
    });

    test("a plan says when they are none", () => {
        expect(receiverNotes({ receivers: [] })).toEqual([
            expect.stringContaining("monitoring.receivers names nobody"),
        ]);
        expect(receiverNotes({ receivers: schema.parse([{ kind: "ntfy" }]) })).toEqual([]);
    });

    test("homelab's file must hold them", () => {
        const value = readStackValue(ROOT, "homelab") as { monitoring?: object };
        const refs = (monitoring: object) =>
            openStack("homelab", { ...value, monitoring: { ...value.monitoring, ...monitoring } }).secrets.flatMap(
                (file) => file.refs,
            );
        expect(refs({ receivers: [{ kind: "ntfy" }] })).toContain("alerts.ntfy.topic");
        expect(refs({}).join()).not.toContain("alerts.");
    });
});

describe("Alertmanager's configuration", () => {
    const config = alertmanagerConfig(all, "alert-receivers");

    test("each hears what is severe enough, Flux' errors among it; what others watch for nobody", () => {
        const [nobody, ...routes] = config.route.routes;
        expect(nobody).toEqual({
            receiver: "null",
            matchers: [{ name: "alertname", value: "Watchdog|InfoInhibitor", matchType: "=~" }],
        });
        expect(routes.map(({ receiver, matchers }) => [receiver, matchers[0]?.value])).toEqual(
            all.map(({ name, severity }) => [
                name,
                severity === "critical" ? "critical|error" : "critical|error|warning",
            ]),
        );
        // Without it the first receiver would be the only one.
        for (const route of routes) expect(route).toMatchObject({ continue: true });
        expect(config.receivers.map(({ name }) => name)).toEqual(["null", ...all.map(({ name }) => name)]);
    });

    test("no secret's value is in it, and each key that it names is in the Secret", () => {
        const keys = [...JSON.stringify(config).matchAll(/"name":"alert-receivers","key":"([^"]+)"/g)].map(
            ([, key]) => key,
        );
        const { data, templates } = receiverSecret(all);
        expect(keys.sort()).toEqual([...Object.keys(data), ...Object.keys(templates)].sort());
    });
});

describe("either chart", () => {
    let look: ReturnType<typeof lookInto>;
    let platform: TestPlatform;
    const bucket = { endpoint: "https://minio.example.net", bucket: "thanos" };
    const build = async (receivers: readonly Receiver[]) => {
        const resources = await planComponent(() => {
            platform = testPlatform({ observability: "privileged", monitoring: "privileged" });
            new PrometheusStack(
                "prometheus",
                {
                    namespace: platform.namespaces.name("observability"),
                    size: "cluster",
                    crdsBelow: true,
                    retention: "14d",
                    storage: "55Gi",
                    storageClass: "ceph-block",
                    bucket,
                    receivers,
                    hosts: { prometheus: "prometheus", alertmanager: "alertmanager" },
                },
                platform,
                {},
            );
            new PrometheusStack(
                "monitoring",
                {
                    namespace: platform.namespaces.name("monitoring"),
                    host: "grafana",
                    retention: "15d",
                    storage: "20Gi",
                    receivers,
                },
                platform,
            );
        });
        look = lookInto(() => ({ resources }));
    };

    test("names the configuration, which is there first", async () => {
        await build(all);
        for (const name of ["prometheus", "monitoring"]) {
            expect(dig(look.values(name), "alertmanager", "alertmanagerSpec", "alertmanagerConfiguration")).toEqual({
                name: "alert-receivers",
                global: { resolveTimeout: "5m" },
            });
            look.inOrder(
                look.find(":Secret", `${name}-receivers`),
                look.find(":AlertmanagerConfig", `${name}-receivers`),
                look.find(":Release", name),
            );
        }
        look.inOrder(
            look.find(":Release", "monitoring-crds"),
            look.find(":AlertmanagerConfig", "monitoring-receivers"),
        );
    });

    (haveCrds ? test : test.skip)(
        `the object is one by the real definition${haveCrds ? "" : " (skipped: ../shared/crds is not here)"}`,
        async () => {
            await build(all);
            for (const { inputs } of look.all(":AlertmanagerConfig")) expect(crdFaults(inputs)).toEqual([]);
        },
    );

    test("without receivers the chart's own configuration tells nobody (H-MON-07)", async () => {
        await build([]);
        expect(look.all(":AlertmanagerConfig")).toEqual([]);
        for (const name of ["prometheus", "monitoring"]) {
            expect(JSON.stringify(look.values(name)["alertmanager"])).not.toContain("alertmanagerConfiguration");
        }
        expect(platform.secrets.asked.map(({ name }) => name)).not.toContain("alert-receivers");
    });
});

const chart = join(ROOT, "../shared/charts-full", `kube-prometheus-stack-${charts.kubePrometheusStack.version}.tgz`);
const helm = join(
    cacheFolder(),
    `helm-3.22.0-${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`,
    "helm",
);
const canRender = existsSync(chart) && existsSync(helm);
(canRender ? test : test.skip)(
    `the real chart hands the configuration's name to the operator${canRender ? "" : " (skipped: the whole chart or helm is not here)"}`,
    () => {
        const folder = mkdtempSync(join(tmpdir(), "receivers-"));
        try {
            const common = {
                cluster: "x",
                retention: "14d",
                storage: "55Gi",
                storageClass: "c",
                alertReceivers: "alert-receivers",
            };
            for (const values of [
                prometheusStackValues({ ...common, size: "cluster", objectStore: "objstore" }),
                prometheusStackValues({ ...common, size: "machine", grafana: { adminSecret: "a", rootUrl: "u" } }),
            ]) {
                const file = join(folder, "values.yaml");
                writeFileSync(file, stringify(values));
                const text = execFileSync(
                    helm,
                    ["template", "kube-prometheus-stack", chart, "--values", file, "--kube-version", "1.33.0"],
                    { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 },
                );
                const alertmanager = parseAllDocuments(text)
                    .map((document) => document.toJS() as Inputs | null)
                    .find((object) => object?.["kind"] === "Alertmanager");
                expect(dig(alertmanager, "spec", "alertmanagerConfiguration")).toEqual({
                    name: "alert-receivers",
                    global: { resolveTimeout: "5m" },
                });
            }
        } finally {
            rmSync(folder, { recursive: true, force: true });
        }
    },
);
