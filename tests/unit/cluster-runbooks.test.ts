/** The runbooks of seed 004: each is there, and the names in its commands are those that the program gives. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { certManagerValues } from "../../components/edge/cert-manager";
import { HAPROXY } from "../../components/edge/haproxy";
import { BOTH_ISSUERS } from "../../components/edge/lets-encrypt";
import { vaultPlace } from "../../components/secrets/vault/names";
import { argoAppsLayout } from "../../lab/argo-apps";
import { HAPROXY_NAMESPACE } from "../../lab/haproxy";
import type { Plan } from "../../tools/plan/plan";
import { appTable, ownerTable, platformTable } from "../../tools/docs/owners";
import { ROOT } from "../../stacks/stack-file";
import { NO_PARTS, ORDER, planAppOfApps, REPOSITORY } from "./argo-apps-recipe";
import { crdFaults, haveCrds } from "./crd-schema";
import { dig, type Inputs } from "./planned";

jest.setTimeout(60_000);

const read = (name: string) => readFileSync(join(ROOT, "docs", name), "utf8");
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
};

const RUNBOOKS = [
    "app-of-apps.md",
    "apps.md",
    "cilium-break-glass.md",
    "cloudflare-origin-cert.md",
    "cluster-bootstrap-runbook.md",
    "ingress-dns-troubleshooting-bundle.md",
    "opnsense-unbound-dns01-split-dns.md",
];

test.each(RUNBOOKS)(
    "%s is there, and every npm command in it is one that there is (M-OPS-02, M-OPS-04, M-OPS-05, M-OPS-06)",
    (name) => {
        expect(existsSync(join(ROOT, "docs", name))).toBe(true);
        const commands = [...read(name).matchAll(/npm run (?:--silent )?([a-z:-]+)/g)].map(([, script = ""]) => script);
        expect(commands.filter((script) => scripts[script] === undefined)).toEqual([]);
    },
);

test("of every runbook but the generated one a shell block is there, and none uses the namespace default", () => {
    for (const name of RUNBOOKS.filter((one) => one !== "apps.md")) {
        expect([name, /^```sh$/m.test(read(name))]).toEqual([name, true]);
        // A pod to look with goes to a namespace of its own choice.
        for (const [line] of read(name).matchAll(/kubectl run .*/g)) expect(line).toMatch(/ (-n|--namespace) /);
    }
});

describe("ingress and DNS (M-OPS-06)", () => {
    const text = read("ingress-dns-troubleshooting-bundle.md");

    test("goes from the outside in: name, address, HAProxy, pod, certificate, internet", () => {
        expect([...text.matchAll(/^## \d\. (.*)$/gm)].map(([, title]) => title)).toEqual([
            "The name",
            "The address (MetalLB, ARP)",
            "HAProxy and the route",
            "Service and pod",
            "The certificate (cert-manager, DNS-01)",
            "From the internet",
        ]);
    });

    test("names what the program makes", () => {
        expect(text).toContain(`kubectl -n ${HAPROXY_NAMESPACE} get service ${HAPROXY.service}`);
        expect(text).toContain(`kubectl -n ${HAPROXY_NAMESPACE} logs deployment/${HAPROXY.service}`);
        expect(text).toContain("kubectl -n metallb-system get servicel2statuses");
        expect(text).toContain(`kubectl -n ${HAPROXY_NAMESPACE} logs deployment/cloudflared`);
    });
});

describe("split DNS (M-DNS-01, M-DNS-02)", () => {
    const text = read("opnsense-unbound-dns01-split-dns.md");

    test("says what cert-manager really asks", () => {
        const values = certManagerValues();
        const servers = String(dig(values, "dns01RecursiveNameservers"));
        expect(dig(values, "dns01RecursiveNameserversOnly")).toBe(true);
        expect(text).toContain(`--dns01-recursive-nameservers=${servers}`);
        expect(text).toContain("--dns01-recursive-nameservers-only");
    });

    test("has the two traps: the wildcard override, and rebind protection", () => {
        expect(text).toMatch(/override with the host `\*`.*redirect/);
        expect(text).toContain("Private Domains");
    });

    test("its program over a plan prints the hosts to override", () => {
        const script = /node -e '\n([^]*?)\n'/.exec(text)?.[1] ?? "";
        const printed: string[] = [];
        const plan = {
            exposures: [
                { host: "a.example", address: "10.0.0.1", access: "local" },
                { host: "b.example", address: "10.0.0.1", access: "external" },
                { host: "c.example", address: "10.0.0.2", access: "dedicated" },
            ],
        };
        const run = new Function("require", "console", script) as (require: unknown, console: unknown) => void;
        run(() => ({ readFileSync: () => JSON.stringify(plan) }), { log: (line: string) => printed.push(line) });
        expect(printed).toEqual(["10.0.0.1 a.example", "10.0.0.2 c.example"]);
    });
});

describe("origin certificate (M-SEC-06)", () => {
    const text = read("cloudflare-origin-cert.md");
    const objects = parseAllDocuments(/```yaml\n([^]*?)```/.exec(text)?.[1] ?? "").map(
        (document) => document.toJS() as Inputs,
    );

    test("its ExternalSecret asks where the commands have written", () => {
        const [secret] = objects;
        const namespace = /namespace=(\S+) name=(\S+)/.exec(text);
        for (const property of ["certificate", "key"]) {
            expect(text).toContain(`--put "$namespace/$name" --property ${property}`);
            const place = vaultPlace(namespace?.[1] ?? "", `${namespace?.[2]}.${property}`);
            expect(dig(secret, "spec", "data")).toContainEqual(
                expect.objectContaining({ remoteRef: { key: place.path, property: place.property } }),
            );
        }
    });

    (haveCrds ? test : test.skip)(
        `it is as External Secrets' definition wants it${haveCrds ? "" : " (skipped: no ../shared/crds)"}`,
        () => expect(crdFaults(objects[0] as never)).toEqual([]),
    );

    test("no key goes into a file or an argument", () => {
        const shell = [...text.matchAll(/```sh\n([^]*?)```/g)].map(([, block = ""]) => block).join("\n");
        expect(shell).not.toMatch(/> *\S+\.(pem|key)|-out |-keyout|mktemp/);
    });
});

describe("bootstrap (M-OPS-05)", () => {
    const text = read("cluster-bootstrap-runbook.md");

    test("doctor and preview before up, Git after it, doctor and audit last", () => {
        const places = [
            "npm run doctor",
            "pulumi preview --stack $stack\n",
            "pulumi up",
            "npm run render",
            "npm run audit",
        ].map((command) => text.indexOf(command));
        expect(places).toEqual([...places].sort((a, b) => a - b));
        expect(places[0]).toBeGreaterThan(0);
    });

    test("the issuers and directories that the other pages name are the program's", () => {
        expect(Object.values(BOTH_ISSUERS)).toEqual(["letsencrypt-prod", "letsencrypt-staging"]);
        const { shared, dayZero } = argoAppsLayout({ delivery: "gitops" }, ORDER, NO_PARTS);
        const tree = read("app-of-apps.md");
        for (const folder of [...shared, `${dayZero}/cilium`, `${dayZero}/argocd`, `${dayZero}/root-application`]) {
            expect(tree).toContain(`\`${folder}/`);
        }
        expect(parse(/```yaml\n([^]*?)```/.exec(tree)?.[1] ?? "")).toMatchObject({ gitops: { path: "cluster" } });
    });
});

describe("the generated tables (M-OPS-03, M-OPS-04)", () => {
    let plan: Plan;
    beforeAll(async () => {
        plan = await planAppOfApps({
            gitops: { repository: REPOSITORY },
            apps: { sonarr: {}, prowlarr: {}, transmission: {}, paperless: { delivery: "pulumi" } },
        });
    });
    const row = (table: string, start: string) =>
        table
            .split("\n")
            .map((line) => line.split("|").map((cell) => cell.trim()))
            .find((cells) => cells.join("|").startsWith(`|${start}`));

    test("every workload with its way in and who applies it", () => {
        expect(row(appTable(plan), "media|sonarr|")).toEqual(
            expect.arrayContaining(["sonarr.example.net", "local", "10.0.0.1:8989", "Git"]),
        );
        expect(row(appTable(plan), "productivity|paperless|")?.at(-2)).toBe("Pulumi");
        // Argo CD's page is a chart's.
        expect(row(appTable(plan), "|argocd-server|")).toContain("argocd.example.net");
    });

    test("every chart with its version", () => {
        expect(row(platformTable(plan), "argocd|argocd|argo-cd|")).toBeDefined();
    });

    test("Git has the apps, Pulumi their volumes, the namespaces and Argo CD", () => {
        const table = ownerTable(plan);
        expect(row(table, "apps|Git|")?.join()).toMatch(/media-wiring, prowlarr, sonarr, transmission/);
        expect(row(table, "apps|Pulumi|")?.join()).toContain("paperless");
        expect(row(table, "volumes|Pulumi|")?.join()).toContain("sonarr");
        expect(row(table, "charts|Pulumi|")?.join()).toContain("argocd");
        expect(row(table, "namespaces|Pulumi|")).toBeDefined();
    });
});
