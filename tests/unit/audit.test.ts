import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { startCloudflare, startTailscale } from "../../sandbox/clouds";
import { openStack } from "../../stacks";
import { declaredOf } from "../../tools/audit/audit";
import { readTunnels, readZone, recordsOf } from "../../tools/audit/cloudflare";
import { readCluster, thingsOfCluster, wouldBeFound } from "../../tools/audit/cluster";
import { compare, type Audit, type Facts } from "../../tools/audit/compare";
import { adoptDeclared, adoptUndeclared } from "../../tools/audit/import-file";
import { hintOf, isTransient, ownerOf } from "../../tools/audit/ownership";
import { matching } from "../../tools/audit/pattern";
import { renderAudit } from "../../tools/audit/render";
import { devicesOf, keysOf, readTailnet } from "../../tools/audit/tailnet";
import { dnsKey, objectKey, releaseKey, TYPES, type Declared, type Live } from "../../tools/audit/things";
import { cloudflareReader } from "../../tools/live/cloudflare";
import { kubeReader, type ListableKind, type ObjectMeta } from "../../tools/live/kube";
import { readState } from "../../tools/live/state";
import { tailscaleReader } from "../../tools/live/tailscale";
import { planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT, TYPESCRIPT } from "../../stacks/stack-file";

let homelab: Plan;
let chongus: Plan;
const clouds = (stack: string) => openStack(stack, readStackValue(ROOT, stack)).clouds;
beforeAll(async () => {
    homelab = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
    chongus = await planStack("chongus", readStackValue(ROOT, "chongus"), ROOT);
});

describe("what a plan declares", () => {
    test("records, the tunnel with its rules, the tailnet's things, objects, releases and CRDs", () => {
        const titles = declaredOf(homelab, clouds("homelab")).map(({ title }) => title);
        expect(titles).toEqual(
            expect.arrayContaining([
                "A plex.peterstorm.io",
                "CNAME echo-server.peterstorm.io",
                "homelab",
                "rules of homelab",
                "rule echo-server.peterstorm.io of homelab",
                "policy file",
                'auth key "homelab router"',
                "device homelab-router",
                "Deployment media/plex",
                "PersistentVolume media-plex-config",
                "Helm release kube-system/cilium",
            ]),
        );
        // Every object that the program makes has a name of its own.
        const objects = homelab.resources.filter(({ type }) => type.startsWith("kubernetes:"));
        expect(titles.filter((title) => /^[A-Z]\w+ |^Helm/.test(title)).length).toBeGreaterThanOrEqual(objects.length);
    });

    test("records that external-dns will make, and definitions that a command applies", () => {
        const declared = declaredOf(chongus, clouds("chongus"));
        expect(declared).toContainEqual({
            stack: "chongus",
            place: "zone",
            key: dnsKey(clouds("chongus").cloudflare?.zoneId ?? "", "A", "jellyfin.rtrox.io"),
            title: "A jellyfin.rtrox.io",
            content: "172.22.12.1",
        });
        expect(declared.map(({ title }) => title)).toEqual(
            expect.arrayContaining([
                "CustomResourceDefinition scaledjobs.keda.sh",
                "ValidatingAdmissionPolicy safe-upgrades.gateway.networking.k8s.io",
            ]),
        );
    });
});

describe("whose a Kubernetes object is", () => {
    const releases = { live: new Set(["argocd/argocd"]) };
    const object = (kind: string, meta: Partial<ObjectMeta>, group = "") => ({
        group,
        kind,
        meta: { name: "x", ...meta },
    });
    const by = (...managers: string[]) => ({ managedFields: managers.map((manager) => ({ manager })) });

    test.each([
        ["another object", object("Pod", { ownerReferences: [{ kind: "ReplicaSet", name: "r" }] })],
        [
            "Argo CD, from Git",
            object("ConfigMap", { annotations: { "argocd.argoproj.io/tracking-id": "a:/ConfigMap:n/x" } }),
        ],
        ["Flux, from Git", object("ConfigMap", { labels: { "kustomize.toolkit.fluxcd.io/name": "apps" } })],
        ["the Flux operator", object("Deployment", { labels: { "fluxcd.controlplane.io/name": "flux" } })],
        [
            "a Helm release",
            object("Service", {
                annotations: { "meta.helm.sh/release-name": "argocd", "meta.helm.sh/release-namespace": "argocd" },
            }),
        ],
        ["a Helm release", object("Secret", { name: "sh.helm.release.v1.argocd.v1", labels: { owner: "helm" } })],
        ["a Helm hook", object("Job", { annotations: { "helm.sh/hook": "pre-install" } })],
        ["the control plane", object("Namespace", { name: "kube-system" })],
        ["the control plane", object("ConfigMap", { name: "kube-root-ca.crt", ...by("kube-controller-manager") })],
        ["the control plane", object("ServiceAccount", { name: "default" })],
        ["the control plane", object("ServiceAccount", { name: "job-controller", namespace: "kube-system" })],
        ["the control plane", object("Service", { name: "kubernetes", namespace: "default" })],
        [
            "the control plane",
            object("EndpointSlice", { name: "kubernetes", namespace: "default", ...by("kube-apiserver") }),
        ],
        ["the control plane", object("ClusterRole", { labels: { "kubernetes.io/bootstrapping": "rbac-defaults" } })],
        ["the control plane", object("FlowSchema", { annotations: { "apf.kubernetes.io/autoupdate-spec": "true" } })],
        [
            "a volume provisioner",
            object("PersistentVolume", {
                annotations: { "pv.kubernetes.io/provisioned-by": "rook" },
                ...by("csi-provisioner"),
            }),
        ],
        ["cert-manager", object("Secret", { annotations: { "cert-manager.io/certificate-name": "wildcard" } })],
        ["k3s", object("ConfigMap", { annotations: { "objectset.rio.cattle.io/owner-name": "coredns" } })],
        ["a program in the cluster (cilium-operator)", object("CustomResourceDefinition", by("cilium-operator"))],
        ["a command of this project", object("Secret", by("homelab-age-key"))],
    ])("%s", (owner, one) => {
        expect(ownerOf(one, releases)).toBe(owner);
    });

    test.each([
        ["by kubectl-create", object("ConfigMap", by("kubectl-create"))],
        [
            "by kubectl-client-side-apply, kube-controller-manager",
            object("Deployment", by("kubectl-client-side-apply", "kube-controller-manager")),
        ],
        ["by pulumi-kubernetes-1a2b", object("Secret", by("pulumi-kubernetes-1a2b"))],
        [
            "of the Helm release gone, which is no more",
            object("Service", { annotations: { "meta.helm.sh/release-name": "gone" }, ...by("helm") }),
        ],
        [undefined, object("ConfigMap", {})],
    ])("somebody's to declare: %s", (hint, one) => {
        expect(ownerOf(one, releases)).toBeUndefined();
        expect(hintOf(one)).toBe(hint);
    });

    test("what comes and goes by itself is not even listed", () => {
        const kinds = ["Event", "Lease", "Node", "CSINode"].map((kind) => ({ group: "", kind }));
        expect(kinds.filter((kind) => !isTransient(kind))).toEqual([]);
        expect(isTransient({ group: "metrics.k8s.io", kind: "PodMetrics" })).toBe(true);
        expect(isTransient({ group: "apps", kind: "Deployment" })).toBe(false);
        // A bridge to a machine of the house has one without a selector.
        expect(isTransient({ group: "discovery.k8s.io", kind: "EndpointSlice" })).toBe(false);
    });
});

describe("what is there", () => {
    const ZONE = "f".repeat(32);
    const record = (type: string, name: string, content: string, more = {}) => ({
        id: `${type}-${name}`,
        type,
        name,
        content,
        ...more,
    });

    test("records with who keeps them: external-dns by its marks, Cloudflare, certificate requests, a person", () => {
        const list = recordsOf(ZONE, [
            record("A", "sonarr.example.org", "10.0.0.1"),
            record(
                "TXT",
                "k8s.a-sonarr.example.org",
                '"heritage=external-dns,external-dns/owner=chongus,external-dns/resource=x"',
            ),
            record("CNAME", "www.example.org", "pages.dev"),
            record("TXT", "k8s.www.example.org", '"heritage=external-dns,external-dns/owner=bitty"'),
            record("MX", "example.org", "route1.mx.cloudflare.net", { meta: { email_routing: true, read_only: true } }),
            record("TXT", "_acme-challenge.example.org", "x"),
            record("A", "old.example.org", "203.0.113.9", { comment: "by hand" }),
        ]);
        expect(list.map(({ title, owner, hint }) => [title, owner ?? hint])).toEqual([
            ["A sonarr.example.org", "external-dns of chongus"],
            ["TXT k8s.a-sonarr.example.org", "external-dns (its marks)"],
            ["CNAME www.example.org", "external-dns of bitty"],
            ["TXT k8s.www.example.org", "external-dns (its marks)"],
            ["MX example.org", "a service of Cloudflare"],
            ["TXT _acme-challenge.example.org", "certificate requests"],
            ["A old.example.org", '203.0.113.9, "by hand"'],
        ]);
        expect(list[6]?.import).toEqual({ type: TYPES.dnsRecord, id: `${ZONE}/A-old.example.org` });
    });

    test("a laptop is its owner's, a tagged device is not; a dead key is no key", () => {
        const devices = devicesOf([
            { hostname: "laptop", user: "me@example.org", tags: [], addresses: ["100.64.0.1"] },
            { hostname: "old-router", user: "tagged-devices", tags: ["tag:old"], addresses: ["100.64.0.2"] },
        ]);
        expect(devices.map(({ title, owner, hint }) => [title, owner, hint])).toEqual([
            ["device laptop", "a person (me@example.org)", "100.64.0.1"],
            ["device old-router", undefined, "tag:old, 100.64.0.2"],
        ]);
        const key = { id: "k1", description: "router", keyType: "auth", expires: "2026-02-01T00:00:00Z" };
        expect(
            keysOf([key, { ...key, invalid: true }, { ...key, keyType: "client" }]).map(({ title }) => title),
        ).toEqual(['auth key "router"']);
    });

    test("Helm releases are one thing each; those of Flux are Flux's", () => {
        const kind = (name: string, group = ""): ListableKind => ({
            group,
            version: "v1",
            kind: name,
            resource: "",
            namespaced: true,
        });
        const release = (name: string) => ({
            kind: kind("Secret"),
            meta: { name: `sh.helm.release.v1.${name}.v1`, namespace: "media", labels: { owner: "helm", name } },
        });
        const things = thingsOfCluster([
            release("by-hand"),
            release("media-jellyfin"),
            { kind: kind("HelmRelease", "helm.toolkit.fluxcd.io"), meta: { name: "jellyfin", namespace: "media" } },
        ]);
        expect(
            things.filter(({ title }) => title.startsWith("Helm release")).map(({ title, owner }) => [title, owner]),
        ).toEqual([
            ["Helm release media/by-hand", undefined],
            ["Helm release media/media-jellyfin", "Flux, from Git"],
        ]);
    });
});

describe("comparison", () => {
    const declared = (name: string, more: Partial<Declared> = {}): Declared => ({
        stack: "homelab",
        place: "zone",
        key: dnsKey("z", "A", name),
        title: `A ${name}`,
        urn: `urn:${name}`,
        ...more,
    });
    const live = (name: string, more: Partial<Live> = {}): Live => ({
        place: "zone",
        key: dnsKey("z", "A", name),
        title: `A ${name}`,
        ...more,
    });
    const facts = (change: Partial<Facts>): Facts => ({
        declared: [declared("a")],
        live: [live("a")],
        state: { urns: new Set(["urn:a"]), keys: new Set([dnsKey("z", "A", "a")]) },
        seen: ({ place }) => place === "zone",
        ...change,
    });
    const titles = ({ undeclared, gone, adoptable }: Audit) => ({
        undeclared: undeclared.map(({ title, inState }) => [title, inState]),
        gone: gone.map(({ title, made }) => [title, made]),
        adoptable: adoptable.map(({ declared: one }) => one.title),
    });
    const nothing = { undeclared: [], gone: [], adoptable: [] };

    test.each<[string, Partial<Facts>, ReturnType<typeof titles>]>([
        ["all as declared", {}, nothing],
        ["a record of a person", { live: [live("a"), live("b")] }, { ...nothing, undeclared: [["A b", false]] }],
        [
            "a record that the program had",
            {
                live: [live("a"), live("b")],
                state: { urns: new Set(["urn:a"]), keys: new Set([dnsKey("z", "A", "b")]) },
            },
            { ...nothing, undeclared: [["A b", true]] },
        ],
        ["a record of somebody", { live: [live("a"), live("b", { owner: "external-dns of chongus" })] }, nothing],
        [
            "a record of another stack",
            { declared: [declared("a"), declared("b", { stack: "chongus" })], live: [live("a"), live("b")] },
            nothing,
        ],
        [
            "another stack's record that is gone is that stack's matter",
            { declared: [declared("a"), declared("b", { stack: "chongus" })] },
            nothing,
        ],
        ["a record that was deleted", { live: [] }, { ...nothing, gone: [["A a", true]] }],
        [
            "a record that is still to be made",
            { live: [], state: { urns: new Set(), keys: new Set() } },
            { ...nothing, gone: [["A a", false]] },
        ],
        [
            "nobody knows whether it was ever made",
            { live: [], state: undefined },
            { ...nothing, gone: [["A a", undefined]] },
        ],
        ["a zone that was not looked at has lost nothing", { live: [], seen: () => false }, nothing],
        [
            "a record that was there before the program",
            { state: { urns: new Set(), keys: new Set() } },
            { ...nothing, adoptable: ["A a"] },
        ],
        [
            "a second address of the same name",
            {
                declared: [declared("a", { content: "1" })],
                live: [live("a", { content: "2" }), live("a", { content: "1" })],
            },
            { ...nothing, undeclared: [["A a", false]] },
        ],
        [
            "a record with another content is there",
            { declared: [declared("a", { content: "1" })], live: [live("a", { content: "2" })] },
            nothing,
        ],
        [
            "what two stacks declare is there for both",
            { declared: [declared("a"), declared("a", { stack: "chongus", urn: "urn:other" })] },
            nothing,
        ],
    ])("%s", (_, change, wanted) => {
        expect(titles(compare("homelab", facts(change)))).toEqual(wanted);
    });

    test("the report names each, and says what was left out and why", () => {
        const audit = compare(
            "homelab",
            facts({
                declared: [declared("a"), declared("g", { fromGit: true })],
                live: [live("b", { hint: "203.0.113.9" }), live("c", { owner: "a person" })],
            }),
        );
        const text = renderAudit({
            plan: homelab,
            audit,
            state: { kind: "not read", reason: "pulumi is not on the PATH" },
            seen: new Set(["zone"]),
            inPart: new Set(["zone"]),
            notLookedAt: ["the cluster: no route to host"],
            hidden: ["split DNS (scope dns:read): 403"],
            absent: ["tailnet"],
        });
        expect(text).toMatch(/DNS zone {2}A b {3}203\.0\.113\.9/);
        expect(text).toMatch(/DNS zone {2}A a/);
        expect(text).toMatch(/DNS zone {2}A g {3,}Git's: not pushed, or not applied yet/);
        expect(text).toContain("Looked at: DNS zone (not all of it).");
        expect(text).toContain("Not looked at\n  the cluster: no route to host\n  split DNS (scope dns:read): 403\n");
        expect(text).toContain("State: not read (pulumi is not on the PATH)");
        expect(text).toContain("Not of this stack: tailnet.");
        expect(text).toContain("Left out, as they are somebody's: a person 1.");
    });
});

describe("the import file", () => {
    const all = () =>
        homelab.resources
            .filter(({ custom, type }) => custom && /^(kubernetes|cloudflare|tailscale):/.test(type))
            .map((resource) => ({
                declared: {
                    stack: "homelab",
                    place: "zone" as const,
                    key: resource.urn,
                    title: resource.name,
                    urn: resource.urn,
                },
                live: {
                    place: "zone" as const,
                    key: resource.urn,
                    title: resource.name,
                    import: { type: resource.type, id: "the-id" },
                },
            }));
    /** URNs as the engine makes them of an import file. */
    const urnsOf = ({ nameTable, resources }: ReturnType<typeof adoptDeclared>["file"]) => {
        const known = new Map(Object.entries(nameTable));
        for (const { type, name, logicalName, parent } of resources) {
            const above = parent === undefined ? undefined : known.get(parent);
            if (parent !== undefined && above === undefined)
                throw new Error(`${name}: nobody knows its parent ${parent}`);
            const qualified = above === undefined ? type : `${above.split("::")[2]}$${type}`;
            known.set(name, `urn:pulumi:homelab::homelab-infrastructure::${qualified}::${logicalName ?? name}`);
        }
        return resources.map(({ name }) => known.get(name) ?? "");
    };

    test("gives every resource the URN that the program gives it, in a stack without a state", () => {
        const { file, count, skipped, first } = adoptDeclared(homelab, all(), new Set());
        const urns = urnsOf(file);
        const planned = new Map(homelab.resources.map((resource) => [resource.urn, resource]));
        expect(urns.filter((urn) => !planned.has(urn))).toEqual([]);
        expect(new Set(urns).size).toBe(urns.length);
        expect(count).toBe(all().length - 1);
        expect(skipped).toEqual([{ title: "tailnet", reason: "its secret is told only once; up makes a new one" }]);
        // Groups have no id, real things have one and a provider.
        for (const entry of file.resources) {
            expect([entry.name, entry.component === true, entry.id === undefined]).toEqual([
                entry.name,
                entry.id === undefined,
                entry.component === true,
            ]);
            if (entry.id !== undefined) expect(file.nameTable[entry.provider ?? ""]).toMatch(/pulumi:providers:/);
        }
        // A name is one thing, wherever it stands.
        const names = file.resources.map(({ name }) => name);
        expect(names.filter((name) => name in file.nameTable)).toEqual([]);
        expect(new Set(names).size).toBe(names.length);
        // What the engine reads through must be there before: the providers, and the kubeconfig from the node.
        expect(first.map((urn) => urn.split("::").slice(2).join(" "))).toEqual([
            "homelab:bootstrap:NixosK3s node",
            "homelab:bootstrap:NixosK3s$command:local:Command node-directories",
            expect.stringMatching(/providers:cloudflare/),
            "homelab:bootstrap:NixosK3s$command:local:Command node-kubeconfig",
            "pulumi:providers:kubernetes homelab",
        ]);
    });

    test("names parents in the state, and nothing that the state has", () => {
        const record = homelab.resources.find(
            ({ name, type }) => name === "plex.peterstorm.io" && type === TYPES.dnsRecord,
        );
        const urn = record?.urn ?? "";
        const state = new Set(homelab.resources.map((resource) => resource.urn).filter((other) => other !== urn));
        const { file, first } = adoptDeclared(
            homelab,
            all().filter(({ declared }) => declared.urn === urn),
            state,
        );
        expect(first).toEqual([]);
        expect(file).toEqual({
            nameTable: { dns: record?.parent, cloudflare: record?.provider },
            resources: [
                {
                    type: TYPES.dnsRecord,
                    name: "plex.peterstorm.io",
                    id: "the-id",
                    parent: "dns",
                    provider: "cloudflare",
                },
            ],
        });
    });

    test("of undeclared things: a name that code can have, the stack's own provider, no parent", () => {
        const things: Live[] = [
            { place: "zone", key: "1", title: "A old.example.org", import: { type: TYPES.dnsRecord, id: "z/1" } },
            {
                place: "cluster",
                key: objectKey("", "ConfigMap", "media", "left-over"),
                title: "ConfigMap media/left-over",
                import: { type: "kubernetes:core/v1:ConfigMap", id: "media/left-over" },
            },
            { place: "tailnet", key: "3", title: "device nas" },
        ];
        const state = new Set(homelab.resources.map(({ urn }) => urn));
        const { file, skipped } = adoptUndeclared(homelab, things, state);
        expect(file.resources).toEqual([
            {
                type: TYPES.dnsRecord,
                name: "aOldExampleOrg",
                logicalName: "old.example.org",
                id: "z/1",
                provider: "cloudflareProvider",
            },
            {
                type: "kubernetes:core/v1:ConfigMap",
                name: "configMapMediaLeftOver",
                logicalName: "media/left-over",
                id: "media/left-over",
                provider: "homelabProvider",
            },
        ]);
        expect(Object.keys(file.nameTable).sort()).toEqual(["cloudflareProvider", "homelabProvider"]);
        expect(skipped).toEqual([{ title: "device nas", reason: "it cannot be imported" }]);
        expect(things.filter(matching("A *.example.org")).map(({ title }) => title)).toEqual(["A old.example.org"]);
        expect(things.filter(matching("*"))).toHaveLength(3);
        expect(things.filter(matching("ConfigMap media"))).toEqual([]);
    });
});

describe("reading", () => {
    const folder = mkdtempSync(join(tmpdir(), "audit-"));
    const open: { close(): unknown }[] = [];
    afterAll(async () => {
        await Promise.all(open.map((one) => one.close()));
        rmSync(folder, { recursive: true, force: true });
    });
    const methods = async (url: string) =>
        ((await (await fetch(`${url}/__sandbox/requests`)).json()) as { method: string; path: string }[]).map(
            ({ method, path }) => `${method} ${path}`,
        );

    test("Cloudflare is asked with GET and nothing else, page after page", async () => {
        const zone = { id: "f".repeat(32), name: "example.org" };
        const cloud = await startCloudflare({
            port: 0,
            stateFile: join(folder, "cloudflare.json"),
            accountId: "a".repeat(32),
            zones: [zone],
            tokens: ["t"],
        });
        open.push(cloud);
        for (let index = 0; index < 130; index++) {
            cloud.writeRecord(zone.id, { type: "A", name: `h${index}`, content: "10.0.0.1", ttl: 1 });
        }
        const api = cloudflareReader("t", { CLOUDFLARE_BASE_URL: `${cloud.url}/client/v4` }, 5000);
        const read = await readZone(api, zone.id);
        expect(read.ok && read.value.length).toBe(130);
        expect(await readTunnels(api, "a".repeat(32))).toEqual({ ok: true, value: [] });
        expect((await methods(cloud.url)).filter((line) => !line.startsWith("GET "))).toEqual([]);
    });

    test("Tailscale is asked with GET, after the one POST that makes a token of the OAuth client", async () => {
        const cloud = await startTailscale({
            port: 0,
            stateFile: join(folder, "tailscale.json"),
            tailnet: "-",
            credentials: { apiKeys: [], oauthClients: [{ id: "id", secret: "s" }] },
        });
        open.push(cloud);
        const reader = await tailscaleReader(
            { tailnet: "-", clientId: "id", clientSecret: "s" },
            { TAILSCALE_BASE_URL: cloud.url },
            5000,
        );
        if (!reader.ok) throw new Error(reader.reason);
        const { things, notLookedAt } = await readTailnet(reader.value);
        expect(things.map(({ title }) => title)).toEqual(["policy file"]);
        expect(notLookedAt).toEqual([]);
        // A client without the scope for DNS, which no stack needs, is no fault; one without a scope for devices is.
        for (const match of ["/dns/", "/devices$"]) {
            const order = { match, status: 403, times: match === "/dns/" ? 3 : 1, body: { message: "forbidden" } };
            await fetch(`${cloud.url}/__sandbox/faults`, { method: "POST", body: JSON.stringify(order) });
        }
        const least = await readTailnet(reader.value);
        expect(least.notLookedAt).toEqual(["devices (scope devices:core:read): 403, forbidden"]);
        expect(least.hidden).toHaveLength(3);
        expect((await methods(cloud.url)).filter((line) => !line.startsWith("GET "))).toEqual([
            "POST /api/v2/oauth/token",
        ]);
    });

    test("the API server is asked with GET, for metadata only, in every version that has kinds of its own", async () => {
        const asked: string[] = [];
        const answers: Record<string, unknown> = {
            "/apis": {
                groups: [
                    {
                        name: "cilium.io",
                        preferredVersion: { groupVersion: "cilium.io/v2" },
                        versions: [{ groupVersion: "cilium.io/v2" }, { groupVersion: "cilium.io/v2alpha1" }],
                    },
                    {
                        name: "metrics.k8s.io",
                        preferredVersion: { groupVersion: "metrics.k8s.io/v1beta1" },
                        versions: [{ groupVersion: "metrics.k8s.io/v1beta1" }],
                    },
                ],
            },
            "/api/v1": {
                resources: [
                    { name: "configmaps", kind: "ConfigMap", namespaced: true, verbs: ["list"] },
                    { name: "pods/log", kind: "Pod", verbs: ["get"] },
                ],
            },
            "/apis/cilium.io/v2": {
                resources: [{ name: "ciliumnodes", kind: "CiliumNode", namespaced: false, verbs: ["list"] }],
            },
            "/apis/cilium.io/v2alpha1": {
                resources: [
                    { name: "ciliumnodes", kind: "CiliumNode", namespaced: false, verbs: ["list"] },
                    { name: "policies", kind: "Policy", namespaced: false, verbs: ["list"] },
                ],
            },
            "/api/v1/configmaps?limit=500": {
                metadata: { continue: "more" },
                items: [{ metadata: { name: "a", namespace: "n" } }],
            },
            "/api/v1/configmaps?limit=500&continue=more": {
                metadata: {},
                items: [{ metadata: { name: "b", namespace: "n" } }],
            },
            "/apis/cilium.io/v2/ciliumnodes?limit=500": { items: [] },
        };
        const server = createServer((request, response) => {
            asked.push(`${request.method} ${request.url}`);
            if ((request.url ?? "").includes("limit="))
                expect(request.headers.accept).toContain("PartialObjectMetadataList");
            const answer = answers[request.url ?? ""];
            const down = request.url === "/apis/metrics.k8s.io/v1beta1";
            response.statusCode = answer !== undefined ? 200 : down ? 503 : 403;
            response.end(JSON.stringify(answer ?? (down ? {} : { message: "policies is forbidden" })));
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        open.push({ close: () => server.closeAllConnections() === undefined && server.close() });
        const kubeconfig = stringify({
            "current-context": "c",
            contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
            clusters: [
                { name: "c", cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } },
            ],
            users: [{ name: "u", user: { token: "t" } }],
        });
        const cluster = await readCluster(kubeReader(kubeconfig, 5000));
        expect(cluster.things.map(({ title, import: id }) => [title, id?.id])).toEqual([
            ["ConfigMap n/a", "n/a"],
            ["ConfigMap n/b", "n/b"],
        ]);
        expect(cluster.notLookedAt).toEqual(["metrics.k8s.io (503)", "Policy (403, policies is forbidden)"]);
        // What another API has is missed nonetheless.
        const missed = [
            ["", "ConfigMap"],
            ["cilium.io", "CiliumNode"],
            ["cilium.io", "Policy"],
            ["metrics.k8s.io", "NodeMetrics"],
        ].map(([group = "", kind = ""]) => wouldBeFound({ key: objectKey(group, kind, "", "gone") }, cluster.unlisted));
        expect(missed).toEqual([true, true, false, false]);
        expect(wouldBeFound({ key: releaseKey("n", "gone") }, cluster.unlisted)).toBe(true);
        expect(wouldBeFound({ key: releaseKey("n", "gone") }, new Set(["/Secret"]))).toBe(false);
        expect(asked.filter((line) => !line.startsWith("GET "))).toEqual([]);
    });

    test("no source of doctor or audit names another method, but for the grant of a token", () => {
        const sources = ["live", "audit", "doctor"].flatMap((part) =>
            readdirSync(join(ROOT, "tools", part)).map((file) => join("tools", part, file)),
        );
        const naming = sources.filter((file) =>
            /"(POST|PUT|PATCH|DELETE)"/.test(readFileSync(join(ROOT, file), "utf8")),
        );
        const [grant, vault] = [join("tools", "live", "grant.ts"), join("tools", "doctor", "vault.ts")];
        expect(naming.sort()).toEqual([grant, vault].sort());
        // A token for ten minutes, a login with it, and its end; what is looked at is read.
        const posts = [...readFileSync(join(ROOT, vault), "utf8").matchAll(/ask\("POST", `[^`]*\/([a-z-]+)`/g)].map(
            ([, last]) => last,
        );
        expect(posts).toEqual(["token", "login", "revoke-self"]);
        expect(readFileSync(join(ROOT, vault), "utf8")).not.toMatch(/"(PUT|PATCH|DELETE)"/);
        const fetching = sources.filter((file) => /\bfetch\(/.test(readFileSync(join(ROOT, file), "utf8")));
        expect(fetching).toEqual([grant]);
    });

    test("the state: read, none yet, not read", async () => {
        const answering =
            (code: number, stdout: string, stderr = "") =>
            () =>
                Promise.resolve({ code, stdout, stderr });
        const state = {
            deployment: {
                resources: [
                    { urn: "u", type: "t", id: "i", custom: true },
                    { urn: "old", type: "t", delete: true },
                ],
                pending_operations: [{}],
            },
        };
        expect(await readState("s", ".", answering(0, JSON.stringify(state)), 1000)).toEqual({
            kind: "read",
            resources: [{ urn: "u", type: "t", id: "i", custom: true, inputs: {} }],
            unfinished: 1,
        });
        expect(await readState("s", ".", answering(255, "", "error: no stack named 's' found"), 1000)).toMatchObject({
            kind: "none",
        });
        expect(await readState("s", ".", answering(-1, "", "spawn pulumi ENOENT"), 1000)).toEqual({
            kind: "not read",
            reason: "pulumi is not on the PATH",
        });
    });
});

test("another root has files of its own for the other stacks, too", () => {
    const root = mkdtempSync(join(tmpdir(), "audit-"));
    for (const [stack, first] of [
        ["cabin", 1],
        ["shed", 2],
    ] as const) {
        const value = {
            recipe: "homelab",
            domain: `${stack}.example`,
            node: { name: stack, address: `192.0.${first}.10` },
            network: { podCidr: `10.${first}.0.0/16`, serviceCidr: `10.1${first}.0.0/16` },
            apps: {},
        };
        writeFileSync(
            join(root, `Pulumi.${stack}.yaml`),
            stringify({ config: { "homelab-infrastructure:cluster": value } }),
        );
    }
    const ran = spawnSync(
        process.execPath,
        ["--require", TYPESCRIPT, join(ROOT, "tools/audit/main.ts"), "cabin", "--root", root, "--timeout", "1"],
        { cwd: ROOT, encoding: "utf8", env: { PATH: "/nowhere" } },
    );
    rmSync(root, { recursive: true });
    expect(ran.stdout).toContain("Audit of cabin");
    expect(ran.stdout).not.toContain("what shed declares");
}, 60_000);
