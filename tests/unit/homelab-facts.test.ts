/**
 * Facts of the homelab's seed (001), held against the plan of the committed stack file. Those whose subject has a test
 * file of its own stand there: `npm run facts -- --stack homelab --json` says where.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { charts } from "../../components/charts";
import { recipientsFor } from "../../components/secrets/sops-rules";
import { openStack, stackNames } from "../../stacks";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { dig, lookInto, type Inputs } from "./planned";

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
});
const { all, find, values, pod, container, inOrder } = lookInto(() => plan);

const INGRESS_ADDRESS = "192.168.0.240";
const ARR = ["sonarr", "radarr", "prowlarr", "overseerr"];
const MEDIA = ["plex", ...ARR, "transmission"];

const deployment = (name: string) => find("apps/v1:Deployment", name).inputs;
const group = (name: string) => dig(deployment(name), "metadata", "labels", "app.kubernetes.io/part-of");
const ingressFor = (host: string): PlannedResource => {
    const found = all(":Ingress").filter(({ inputs }) => dig(inputs, "spec", "rules", 0, "host") === host);
    expect([host, found.length]).toEqual([host, 1]);
    return found[0] as PlannedResource;
};
const backend = ({ inputs }: PlannedResource) =>
    dig(inputs, "spec", "rules", 0, "http", "paths", 0, "backend", "service", "name");
/** Host path to mount path of one workload. */
const hostMounts = (name: string): Record<string, unknown> => {
    const mounts = container(name)["volumeMounts"] as Inputs[];
    return Object.fromEntries(
        (pod(name)["volumes"] as Inputs[])
            .filter((volume) => volume["hostPath"] !== undefined)
            .map((volume) => [
                dig(volume, "hostPath", "path"),
                mounts.find((mount) => mount["name"] === volume["name"])?.["mountPath"],
            ]),
    );
};
const environment = (name: string) =>
    Object.fromEntries((container(name)["env"] as Inputs[]).map(({ name: key, value }) => [key, value]));

describe("bootstrap", () => {
    test("pool and announcements follow Cilium (H-BOOT-07)", () => {
        for (const later of [
            find(":CiliumLoadBalancerIPPool", "lan"),
            find(":CiliumL2AnnouncementPolicy", "lan-announcements"),
        ]) {
            inOrder(find(":Release", "cilium"), later, find(":Command", "sops-age-key"));
        }
    });

    test("a gate on the late CRDs stands between the release and what is made of them (H-BOOT-15, H-BOOT-16)", () => {
        const gate = find(":Command", "cilium-ready");
        inOrder(find(":Release", "cilium"), gate);
        const ofCilium = plan.resources.filter(({ type }) => type.startsWith("kubernetes:cilium.io/"));
        expect(ofCilium.map(({ name }) => name).sort()).toEqual(["lan", "lan-announcements"]);
        for (const { dependsOn } of ofCilium) expect(dependsOn).toContain(gate.urn);
        const script = String(dig(gate.inputs, "create"));
        for (const crd of ["ciliumloadbalancerippools.cilium.io", "ciliuml2announcementpolicies.cilium.io"]) {
            // A CRD that is not there yet cannot be waited for by its condition.
            const registered = script.indexOf(`kubectl wait --for=create crd/${crd}`);
            const established = script.search(new RegExp(`kubectl wait crd .*${crd}.*--for=condition=Established`));
            expect(registered).toBeGreaterThan(0);
            expect(established).toBeGreaterThan(registered);
        }
    });

    test("namespace, then the node's age key, then Argo CD (H-BOOT-08)", () => {
        const namespace = find("core/v1:Namespace", "argocd");
        expect(dig(namespace.inputs, "metadata", "name")).toBe("argocd");
        const delivery = find(":Command", "sops-age-key");
        expect(dig(delivery.inputs, "environment", "READ_KEY")).toContain("'cat /var/lib/sops-nix/keys.txt'");
        inOrder(namespace, delivery, find(":Release", "argocd"));
    });

    test("Argo CD by Helm, its repo-server patched with ksops (H-BOOT-09)", () => {
        expect(find(":Release", "argocd").inputs).toMatchObject({ chart: "argo-cd", namespace: "argocd" });
        const { initContainers, volumes, volumeMounts } = values("argocd")["repoServer"] as Record<string, Inputs[]>;
        expect(initContainers?.[0]).toMatchObject({
            image: expect.stringMatching(/\/ksops:/),
            command: ["/usr/local/bin/ksops", "install", "/custom-tools"],
        });
        // What is mounted is declared, and the other way round.
        const names = (list: Inputs[] = []) => [...new Set(list.map(({ name }) => name))].sort();
        expect(names(volumes)).toEqual(["custom-tools", "sops-age-key"]);
        expect(names(volumeMounts)).toEqual(names(volumes));
    });

    test("the tunnel is made through the API, its token read from there and shown to cloudflared alone (H-BOOT-10)", () => {
        const tunnel = find(":ZeroTrustTunnelCloudflared", "tunnel");
        // No tunnelSecret: the account makes the credentials.
        expect(Object.keys(tunnel.inputs as Inputs).sort()).toEqual(["accountId", "configSrc", "name"]);
        const token = find("core/v1:Secret", "tunnel-token");
        expect(dig(token.inputs, "stringData")).toBe("[secret]");
        expect(JSON.stringify(plan.resources)).not.toContain("<tunnel-token>");
        expect(container("cloudflared")["env"]).toContainEqual({
            name: "TUNNEL_TOKEN",
            valueFrom: { secretKeyRef: { name: dig(token.inputs, "metadata", "name"), key: "token" } },
        });
        inOrder(find(":Release", "argocd"), tunnel, token, find("apps/v1:Deployment", "cloudflared"));
    });

    test("records are written after the tunnel, both kinds (H-BOOT-11)", () => {
        const records = all(":DnsRecord");
        expect(new Set(records.map(({ inputs }) => dig(inputs, "type")))).toEqual(new Set(["A", "CNAME"]));
        for (const record of records) inOrder(find(":ZeroTrustTunnelCloudflared", "tunnel"), record);
    });

    test("the root ApplicationSet is the last step (H-BOOT-12)", () => {
        const last = find(":ApplicationSet", "homelab");
        for (const earlier of [
            find(":Release", "argocd"),
            find(":ZeroTrustTunnelCloudflared", "tunnel"),
            find(":ZeroTrustTunnelCloudflaredConfig", "tunnel-rules"),
            ...all(":DnsRecord"),
        ]) {
            inOrder(earlier, last);
        }
        // Nothing of the seven steps comes after it; what notes the cluster's identity waits for all there is.
        expect(plan.resources.filter(({ dependsOn }) => dependsOn.includes(last.urn)).map(({ name }) => name)).toEqual([
            "cluster-identity",
        ]);
    });
});

describe("hand-off to Git", () => {
    const TREE = "k8s/argocd-homelab";
    const directories = () =>
        dig(find(":ApplicationSet", "homelab").inputs, "spec", "generators", 0, "git", "directories") as {
            path: string;
            exclude?: boolean;
        }[];
    const leftOut = () =>
        directories()
            .filter(({ exclude }) => exclude === true)
            .map(({ path }) => path);
    /** Directories that the program's own workloads would have in Git. */
    const owned = () => [
        ...all("homelab:apps:Workload").map(({ name }) => `${TREE}/${String(group(name))}/${name}`),
        ...all("homelab:apps:ScheduledWorkload").map(({ name }) => `${TREE}/media/${name}`),
        `${TREE}/infra/monitoring`,
    ];

    test("one ApplicationSet with the git directory generator, no App of Apps (H-GITOPS-01, H-GITOPS-02)", () => {
        expect(all(":ApplicationSet")).toHaveLength(1);
        expect(all(":Application")).toEqual([]);
        const generators = dig(find(":ApplicationSet", "homelab").inputs, "spec", "generators") as Inputs[];
        expect(generators.map((generator) => Object.keys(generator))).toEqual([["git"]]);
        expect(directories().length).toBeGreaterThan(0);
    });

    test("it discovers directories below k8s/argocd-homelab, which is there (H-GITOPS-03, H-GITOPS-06)", () => {
        expect(existsSync(join(ROOT, TREE))).toBe(true);
        for (const { path } of directories()) expect(path.startsWith(`${TREE}/`)).toBe(true);
        expect(dig(find(":ApplicationSet", "homelab").inputs, "spec", "template", "spec", "source", "path")).toBe(
            "{{ .path.path }}",
        );
    });

    test("three groups, and every workload is in one (H-GITOPS-07)", () => {
        const discovered = directories().filter(({ exclude }) => exclude !== true);
        expect(discovered.map(({ path }) => path)).toEqual([`${TREE}/infra/*`, `${TREE}/apps/*`, `${TREE}/media/*`]);
        const groups = Object.fromEntries(all("homelab:apps:Workload").map(({ name }) => [name, group(name)]));
        expect(groups).toEqual({
            cloudflared: "infra",
            "echo-server": "apps",
            ...Object.fromEntries(MEDIA.map((name) => [name, "media"])),
        });
    });

    test("what Pulumi delivers is left out, and nothing else is (H-GITOPS-04)", () => {
        expect([...leftOut()].sort()).toEqual(owned().sort());
        const inGit = readdirSync(join(ROOT, TREE), { recursive: true, encoding: "utf8" }).map(
            (path) => `${TREE}/${path}`,
        );
        expect(inGit.filter((path) => owned().includes(path))).toEqual([]);
    });

    test("an app with secrets: three files, joined by a fourth, that this repo-server can build (H-SEC-07)", () => {
        const readme = readFileSync(join(ROOT, TREE, "README.md"), "utf8");
        const blockOf = (file: string): unknown =>
            parse(new RegExp(`^\`${file}\`[^]*?^\`\`\`yaml\n([^]*?)^\`\`\``, "m").exec(readme)?.[1] ?? "");
        expect(blockOf("kustomization.yaml")).toMatchObject({
            kind: "Kustomization",
            generators: ["ksops-generator.yaml"],
            helmCharts: [{ valuesFile: "values.yaml" }],
        });
        const generator = blockOf("ksops-generator.yaml");
        expect(generator).toMatchObject({ apiVersion: "viaduct.ai/v1", kind: "ksops", files: ["secrets.enc.yaml"] });
        const run: unknown = parse(
            String(dig(generator, "metadata", "annotations", "config.kubernetes.io/function") ?? ""),
        );
        expect(run).toEqual({ exec: { path: "ksops" } });
        expect(blockOf("secrets.enc.yaml")).toMatchObject({ kind: "Secret" });
        expect(dig(values("argocd"), "configs", "cm", "kustomize.buildOptions")).toBe(
            "--enable-alpha-plugins --enable-exec --enable-helm",
        );
        const sops = readFileSync(join(ROOT, ".sops.yaml"), "utf8");
        expect(recipientsFor(sops, `${TREE}/apps/podinfo/secrets.enc.yaml`)).toHaveLength(1);
        for (const folder of readdirSync(join(ROOT, TREE), { recursive: true, encoding: "utf8" })) {
            const path = join(ROOT, TREE, folder);
            if (!/^(infra|apps|media)\/[^/]+$/.test(folder) || !existsSync(join(path, "secrets.enc.yaml"))) continue;
            const files = ["values.yaml", "ksops-generator.yaml", "kustomization.yaml"];
            expect([folder, files.filter((file) => !existsSync(join(path, file)))]).toEqual([folder, []]);
        }
    });
});

describe("workloads", () => {
    test("the *arr stack is there (H-APP-01)", () => {
        const names = all("homelab:apps:Workload").map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(ARR));
    });

    test("cloudflared connects the tunnel from inside, in group infra (H-APP-02)", () => {
        expect(group("cloudflared")).toBe("infra");
        expect(container("cloudflared")).toMatchObject({
            image: expect.stringMatching(/\/cloudflare\/cloudflared:/),
            args: expect.arrayContaining(["tunnel", "run"]),
            env: expect.arrayContaining([expect.objectContaining({ name: "TUNNEL_TOKEN" })]),
        });
    });

    test("echo-server is the one that the tunnel leads to, in group apps (H-APP-04)", () => {
        expect(group("echo-server")).toBe("apps");
        expect(backend(ingressFor("echo-server.peterstorm.io"))).toBe("echo-server");
        expect(plan.tunnel.map(({ hostname }) => hostname)).toContain("echo-server.peterstorm.io");
    });

    test.each(ARR)(
        "%s: Deployment, Service, claim and a local route, in group media (H-APP-07..10, H-APP-17)",
        (name) => {
            expect(group(name)).toBe("media");
            const service = find("core/v1:Service", name).inputs;
            expect(dig(service, "spec", "type")).toBe("ClusterIP");
            const selector = { "app.kubernetes.io/name": name };
            expect(dig(service, "spec", "selector")).toEqual(selector);
            expect(dig(deployment(name), "spec", "template", "metadata", "labels")).toMatchObject(selector);
            expect(pod(name)["volumes"]).toContainEqual({
                name: expect.any(String),
                persistentVolumeClaim: {
                    claimName: dig(find(":PersistentVolumeClaim", name).inputs, "metadata", "name"),
                },
            });
            expect(backend(ingressFor(`${name}.peterstorm.io`))).toBe(name);
            expect(plan.exposures.find(({ workload }) => workload === name)?.access).toBe("local");
            expect(plan.tunnel.map(({ hostname }) => hostname)).not.toContain(`${name}.peterstorm.io`);
        },
    );

    test("transmission goes through NordVPN and is a local host (H-APP-06, H-APP-15)", () => {
        expect(group("transmission")).toBe("media");
        expect(container("transmission")["image"]).toMatch(/^haugene\/transmission-openvpn:/);
        expect(environment("transmission")).toMatchObject({ OPENVPN_PROVIDER: "NORDVPN" });
        expect(dig(container("transmission"), "securityContext", "capabilities", "add")).toEqual(["NET_ADMIN"]);
        expect(backend(ingressFor("transmission.peterstorm.io"))).toBe("transmission");
        expect(plan.exposures.find(({ workload }) => workload === "transmission")?.access).toBe("local");
    });

    test("its country reaches the image's script as one word", async () => {
        const value = readStackValue(ROOT, "homelab") as { readonly apps: { readonly transmission: object } };
        const transmission = { ...value.apps.transmission, country: "United Kingdom" };
        const other = await planStack("homelab", { ...value, apps: { ...value.apps, transmission } }, ROOT);
        const env = lookInto(() => other).container("transmission")["env"];
        expect(env).toContainEqual({ name: "NORDVPN_COUNTRY", value: "United_Kingdom" });
    });

    test("charts of the dead and the unwanted are in no stack (H-APP-14, H-APP-16)", async () => {
        const unwanted = /k8s-at-home|truecharts|bitnami/i;
        const listed: string[] = Object.values(charts).map(({ repository }) => repository);
        expect(listed.filter((repository) => unwanted.test(repository))).toEqual([]);
        for (const stack of stackNames(ROOT)) {
            const { resources } = await planStack(stack, readStackValue(ROOT, stack), ROOT);
            const releases = resources.filter(({ type }) => type.endsWith(":Release"));
            // Every chart comes from the one list that is looked at above.
            const strangers = releases.filter(({ inputs }) => {
                const chart = String(dig(inputs, "chart"));
                const repository = chart.startsWith("oci://")
                    ? chart.slice(0, chart.lastIndexOf("/"))
                    : String(dig(inputs, "repositoryOpts", "repo"));
                return !listed.includes(repository);
            });
            expect([stack, strangers.map(({ name }) => name)]).toEqual([stack, []]);
        }
    });
});

describe("the ways in", () => {
    test("TLS from the internet ends at Cloudflare's edge (H-EDGE-03)", () => {
        expect(find(":DnsRecord", "echo-server.peterstorm.io").inputs).toMatchObject({ type: "CNAME", proxied: true });
        expect(ingressFor("echo-server.peterstorm.io").inputs).not.toHaveProperty("spec.tls");
        expect(plan.resources.filter(({ type }) => /Certificate|Issuer/.test(type))).toEqual([]);
        expect(plan.tunnel[0]?.service).toMatch(/^http:/);
    });

    test("a local name leads to the shared address, the ingress, and a Service inside (H-NET-04)", () => {
        const local = plan.exposures.filter(({ access }) => access === "local");
        expect(local).toHaveLength(7);
        for (const { host } of local) {
            expect(find(":DnsRecord", host).inputs).toMatchObject({ type: "A", content: INGRESS_ADDRESS });
            ingressFor(host);
        }
        expect(dig(values("cilium"), "ingressController", "service")).toEqual({
            annotations: { "io.cilium/lb-ipam-ips": INGRESS_ADDRESS },
        });
        for (const name of [...ARR, "transmission", "echo-server"]) {
            const service = backend(ingressFor(`${name}.peterstorm.io`));
            expect(dig(find("core/v1:Service", String(service)).inputs, "spec", "type")).toBe("ClusterIP");
        }
    });

    test("every reachable host has its record in the zone, made by this program (H-DNS-02)", () => {
        const { clouds } = openStack("homelab", readStackValue(ROOT, "homelab"));
        const records = all(":DnsRecord").map(({ inputs }) => inputs as Inputs);
        expect(records.map(({ name }) => name).sort()).toEqual(plan.exposures.map(({ host }) => host).sort());
        expect(new Set(records.map(({ zoneId }) => zoneId))).toEqual(new Set([clouds.cloudflare?.zoneId]));
    });

    test("hosts are direct children of peterstorm.io (H-DNS-13)", () => {
        const hosts = [
            ...all(":DnsRecord").map(({ inputs }) => dig(inputs, "name")),
            ...all(":Ingress").map(({ inputs }) => dig(inputs, "spec", "rules", 0, "host")),
        ];
        expect(hosts).toHaveLength(9 + 8);
        for (const host of hosts) expect(host).toMatch(/^[a-z-]+\.peterstorm\.io$/);
    });

    test.each([
        ["grafana", "kube-prometheus-stack-grafana", "monitoring"],
        ["argocd", "argocd-server", "argocd"],
    ])(
        "%s has a route of its own on the LAN and none from outside (H-MON-04, H-APP-18, H-EDGE-07)",
        (name, service, release) => {
            const ingress = ingressFor(`${name}.peterstorm.io`);
            expect(dig(ingress.inputs, "spec", "ingressClassName")).toBe("cilium");
            expect(backend(ingress)).toBe(service);
            expect(dig(ingress.inputs, "metadata", "namespace")).toBe(release);
            inOrder(find(":Release", release), ingress);
            expect(plan.tunnel.map(({ hostname }) => hostname)).not.toContain(`${name}.peterstorm.io`);
            expect(find(":DnsRecord", `${name}.peterstorm.io`).inputs).toMatchObject({
                content: INGRESS_ADDRESS,
                proxied: false,
            });
        },
    );
});

describe("storage", () => {
    const madeOnNode = () => String(dig(find(":Command", "node-directories").inputs, "stdin"));

    test.each(MEDIA)("%s: a claim of its own on /var/data/configs (H-STOR-01, H-STOR-07)", (name) => {
        const directory = `/var/data/configs/${name}`;
        expect(madeOnNode()).toContain(`-m 0775 ${directory}\n`);
        const volume = find(":PersistentVolume", name).inputs;
        const claim = find(":PersistentVolumeClaim", name).inputs;
        expect(dig(volume, "spec")).toMatchObject({
            hostPath: { path: directory, type: "Directory" },
            claimRef: { namespace: "media", name: dig(claim, "metadata", "name") },
        });
        expect(dig(claim, "spec")).toMatchObject({
            accessModes: ["ReadWriteOnce"],
            storageClassName: "local-path",
            volumeName: dig(volume, "metadata", "name"),
        });
        expect(find(":StorageClass", "local-path").inputs).toMatchObject({ provisioner: "rancher.io/local-path" });
    });

    test("no claim is shared (H-STOR-06)", () => {
        const used = MEDIA.flatMap((name) =>
            (pod(name)["volumes"] as Inputs[]).map((volume) => dig(volume, "persistentVolumeClaim", "claimName")),
        ).filter((claim) => claim !== undefined);
        expect(used).toHaveLength(MEDIA.length);
        expect(new Set(used).size).toBe(MEDIA.length);
        const modes = all(":PersistentVolume").map(({ inputs }) => dig(inputs, "spec", "accessModes"));
        expect(modes).toEqual(MEDIA.map(() => ["ReadWriteOnce"]));
    });

    test("the library has tv and movies, where the apps look for them (H-STOR-02)", () => {
        for (const folder of ["tv", "movies"]) expect(madeOnNode()).toContain(`-m 0775 /var/data/media/${folder}\n`);
        for (const name of ["plex", "sonarr", "radarr"]) {
            expect(hostMounts(name)).toMatchObject({ "/var/data/media": "/media" });
        }
        const files = dig(find(":ConfigMap", "media-wiring").inputs, "data") as Record<string, string>;
        const wiring = JSON.parse(files["etc-homelab-plan.json"] ?? "") as Record<string, { folder?: string }[]>;
        expect([wiring["series"], wiring["films"]].map((apps) => apps?.map(({ folder }) => folder))).toEqual([
            ["/media/tv"],
            ["/media/movies"],
        ]);
    });

    test("what Plex knows of the films outlives the cluster, where the backup of it is put back (H-BKP-02)", () => {
        const [config, ...others] = plan.volumes.filter(
            ({ workload, mountPath }) => workload === "plex" && mountPath === "/config",
        );
        expect(others).toEqual([]);
        expect(config).toMatchObject({ kind: "data", source: "/var/data/configs/plex", survivesDestroy: true });
        expect(dig(find(":PersistentVolume", "plex").inputs, "spec")).toMatchObject({
            persistentVolumeReclaimPolicy: "Retain",
            claimRef: { name: "plex-config", namespace: "media" },
        });
    });

    test("downloads are complete or incomplete (H-STOR-03)", () => {
        for (const folder of ["complete", "incomplete"]) {
            expect(madeOnNode()).toContain(`-m 0775 /var/data/torrents/${folder}\n`);
        }
        expect(hostMounts("transmission")).toMatchObject({ "/var/data/torrents": "/torrents" });
        expect(environment("transmission")).toMatchObject({
            TRANSMISSION_DOWNLOAD_DIR: "/torrents/complete",
            TRANSMISSION_INCOMPLETE_DIR: "/torrents/incomplete",
            TRANSMISSION_INCOMPLETE_DIR_ENABLED: "true",
        });
    });

    test("both trees are shared by host path, at one mount path each (H-STOR-04, H-STOR-08)", () => {
        const media = { "/var/data/media": "/media" };
        const torrents = { "/var/data/torrents": "/torrents" };
        expect(Object.fromEntries(MEDIA.map((name) => [name, hostMounts(name)]))).toEqual({
            plex: media,
            sonarr: { ...media, ...torrents },
            radarr: { ...media, ...torrents },
            prowlarr: {},
            overseerr: {},
            transmission: { ...torrents, "/dev/net/tun": "/dev/net/tun" },
        });
        // Plex serves; it has nothing to write there.
        expect(container("plex")["volumeMounts"]).toContainEqual({
            name: "media",
            mountPath: "/media",
            readOnly: true,
        });
    });

    test("nothing deletes or makes anew what is under /var/data (H-STOR-05)", () => {
        for (const { inputs } of all(":PersistentVolume")) {
            expect(dig(inputs, "spec", "hostPath", "path")).toMatch(/^\/var\/data\/configs\/[a-z]+$/);
            expect(dig(inputs, "spec", "persistentVolumeReclaimPolicy")).toBe("Retain");
        }
        const scripts = all(":Command").flatMap(({ inputs }) =>
            ["create", "update", "delete", "stdin"].map((step) => String(dig(inputs, step) ?? "")),
        );
        expect(scripts.join("\n")).not.toMatch(/mkfs|wipefs|sgdisk|blkdiscard|\bdd \b/);
        for (const script of scripts.filter((text) => text.includes("/var/data"))) {
            expect(script).not.toMatch(/\b(rm|mv|chown|chmod|find)\b/);
            // Looks before it makes, so that a directory that is there is not touched.
            for (const line of script.split("\n").filter((text) => text.includes("/var/data"))) {
                expect(line).toMatch(/^\$SUDO test -d (\S+) \|\| \$SUDO install -d .* \1$/);
            }
        }
        // The one that deletes, local-path, works elsewhere.
        const config = JSON.stringify(find("core/v1:ConfigMap", "local-path").inputs);
        expect(config).toContain("/var/lib/local-path-provisioner");
        expect(config).not.toContain("/var/data");
        const module = readFileSync(join(ROOT, "bootstrap", "nixos", "k3s.nix"), "utf8");
        const rules = /systemd\.tmpfiles\.rules = map \(dir: "(.*)"\)/.exec(module)?.[1];
        // "d" makes what is missing, an age of "-" never cleans up.
        expect(rules).toMatch(/^d \$\{cfg\.dataDirectory\}.* -$/);
    });
});

describe("secrets", () => {
    test("SOPS with ksops and the node's key; the plan shows no value (H-SEC-03)", () => {
        const config = readStackValue(ROOT, "homelab") as { secrets: { ageKey: unknown; sopsFile: string } };
        expect(config.secrets.ageKey).toEqual({ from: "node", path: "/var/lib/sops-nix/keys.txt" });
        expect(recipientsFor(readFileSync(join(ROOT, ".sops.yaml"), "utf8"), config.secrets.sopsFile)).toHaveLength(1);
        expect(JSON.stringify(values("argocd")["repoServer"])).toContain("ksops");
        const secrets = all("core/v1:Secret");
        expect(secrets.length).toBeGreaterThan(3);
        for (const { name, inputs } of secrets) {
            const content = [dig(inputs, "data"), dig(inputs, "stringData")].filter((value) => value !== undefined);
            // The router keeps its own state in a Secret that starts empty.
            expect([name, content]).toEqual([name, name === "tailnet-state" ? [] : ["[secret]"]]);
        }
    });

    test("namespace argocd, for which the node's unit waits, is the program's (H-SEC-15)", () => {
        const namespaces = all("core/v1:Namespace").filter(({ name }) => name === "argocd");
        expect(namespaces.map(({ inputs }) => dig(inputs, "metadata", "name"))).toEqual(["argocd"]);
    });

    test("no secret comes from Azure: the token from SOPS, the tunnel's from the tunnel (H-SEC-10, H-SEC-11, H-SEC-12)", () => {
        const [secrets, ...others] = openStack("homelab", readStackValue(ROOT, "homelab")).secrets;
        expect(others).toEqual([]);
        expect([...(secrets?.refs ?? [])].sort()).toEqual([
            "cloudflare.apiToken",
            "overseerr.apiKey",
            "prowlarr.apiKey",
            "radarr.apiKey",
            "sonarr.apiKey",
            "tailscale.oauthClientId",
            "tailscale.oauthClientSecret",
            "transmission.openvpnPassword",
            "transmission.openvpnUsername",
        ]);
        expect(secrets?.path).toMatch(/\.enc\.yaml$/);
        expect(dig(find(":cloudflare", "cloudflare").inputs, "apiToken")).toBe("[secret]");
        inOrder(find(":ZeroTrustTunnelCloudflared", "tunnel"), find("core/v1:Secret", "tunnel-token"));
        expect(JSON.stringify(plan.resources)).not.toMatch(/azure|vault/i);
    });

    test("cloudflared's Secret is in its namespace before the hand-off (H-SEC-18)", () => {
        const token = find("core/v1:Secret", "tunnel-token");
        expect(dig(token.inputs, "metadata", "namespace")).toBe("cloudflared");
        expect(dig(deployment("cloudflared"), "metadata", "namespace")).toBe("cloudflared");
        inOrder(token, find("apps/v1:Deployment", "cloudflared"), find(":ApplicationSet", "homelab"));
    });
});

describe("monitoring", () => {
    test("kube-prometheus-stack with Prometheus, Grafana and Alertmanager (H-MON-01, H-MON-03, H-APP-03)", () => {
        expect(find(":Release", "monitoring").inputs).toMatchObject({
            chart: "kube-prometheus-stack",
            namespace: "monitoring",
            values: { grafana: { enabled: true }, alertmanager: { enabled: true }, crds: { enabled: false } },
        });
        // On by default; the gate behind the release waits for what the operator makes of it.
        expect(dig(values("monitoring"), "prometheus", "enabled") ?? true).toBe(true);
        const gate = find(":Command", "monitoring-ready");
        expect(dig(gate.inputs, "create")).toContain("wait prometheus,alertmanager --all --for=condition=Available");
        inOrder(find(":Release", "monitoring"), gate);
        const directories = dig(
            find(":ApplicationSet", "homelab").inputs,
            "spec",
            "generators",
            0,
            "git",
            "directories",
        );
        expect(directories).toContainEqual({ path: "k8s/argocd-homelab/infra/monitoring", exclude: true });
    });

    test("Hubble is scraped, by a monitor that comes after its CRD (H-MON-05, H-MON-08)", () => {
        const monitor = find(":ServiceMonitor", "monitoring-hubble");
        expect(dig(monitor.inputs, "spec")).toMatchObject({
            namespaceSelector: { matchNames: ["kube-system"] },
            selector: { matchLabels: { "k8s-app": "hubble" } },
            endpoints: [{ port: "hubble-metrics" }],
        });
        // Monitors without the release's label are seen, too.
        expect(dig(values("monitoring"), "prometheus", "prometheusSpec")).toMatchObject({
            serviceMonitorSelectorNilUsesHelmValues: false,
            podMonitorSelectorNilUsesHelmValues: false,
        });
        inOrder(find(":Release", "cilium"), find(":Release", "monitoring-crds"), monitor);
        expect(JSON.stringify(values("cilium"))).not.toMatch(/serviceMonitor/i);
    });

    test("so are apps that give figures of their own: their monitors wait for its CRD", async () => {
        const value = readStackValue(ROOT, "homelab") as { readonly apps: object };
        const apps = {
            "graphite-exporter": { address: "192.168.0.245" },
            awair: { rooms: { office: "172.30.40.11" } },
        };
        const other = await planStack("homelab", { ...value, apps }, ROOT);
        const look = lookInto(() => other);
        for (const name of ["graphite-exporter", "awair-office"])
            look.inOrder(look.find(":Release", "monitoring-crds"), look.find(":ServiceMonitor", name));
    });

    test("the chart's dashboards are shown (H-MON-06)", () => {
        expect(dig(values("monitoring"), "grafana")).toMatchObject({
            defaultDashboardsEnabled: true,
            sidecar: { dashboards: { enabled: true } },
        });
    });

    test("Alertmanager tells nobody (H-MON-07)", () => {
        const alertmanager = values("monitoring")["alertmanager"] as Inputs;
        expect(alertmanager["enabled"]).toBe(true);
        // The chart's own configuration has the one receiver "null".
        expect(Object.keys(alertmanager).sort()).toEqual(["alertmanagerSpec", "enabled"]);
        expect(Object.keys(alertmanager["alertmanagerSpec"] as Inputs).sort()).toEqual(["image", "resources"]);
        expect(all(":AlertmanagerConfig")).toEqual([]);
    });
});

test("what was removed stays out (H-NET-01, H-NET-02, H-EDGE-01, H-SEC-01, H-SEC-02, H-DNS-01, H-GITOPS-08, H-BOOT-04)", () => {
    const text = JSON.stringify(plan.resources);
    expect(text).not.toMatch(/metallb|ingress-nginx|cert-manager|external-dns|external-secrets|azure|traefik|flannel/i);
    const kinds = plan.resources.map(({ type }) => type.split(":").at(-1) ?? "");
    expect(kinds.filter((kind) => /Certificate|Issuer|DNSEndpoint|ExternalSecret|SecretStore/.test(kind))).toEqual([]);
    expect(all(":Ingress").map(({ inputs }) => dig(inputs, "spec", "ingressClassName"))).not.toContain("nginx");
    expect(text).not.toMatch(/k8s\/argocd[/"]/);
});
