/** Facts of the seed of truenas (000), held against the plan of the committed stack file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { portNote } from "../../tools/plan/render";
import { planStack, type Plan, type PlannedResource } from "../../tools/plan/plan";
import { k3dNames } from "../../bootstrap/k3d/cluster-config";
import { openStack } from "../../stacks";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { dig, lookInto, type Inputs } from "./planned";

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("truenas", readStackValue(ROOT, "truenas"), ROOT);
});
const { all, find, values, pod, container, inOrder } = lookInto(() => plan);

const CATEGORIES = ["argocd", "home-automation", "kube-system", "media", "platform-system", "selfhosted"];
const k3d = () => parse(String(dig(find(":Command", "k3d-k3d").inputs, "stdin"))) as Inputs;
const release = (name: string) => find(":Release", name);
const TRUENAS = readFileSync(join(ROOT, "docs", "truenas.md"), "utf8");
const K3D = readFileSync(join(ROOT, "docs", "k3d.md"), "utf8");
const NAS_STORAGE = readFileSync(join(ROOT, "docs", "nas-storage.md"), "utf8");
const custom = (kind: string): PlannedResource[] => all(`:${kind}`);
const named = (kind: string, name: string): PlannedResource => {
    const found = custom(kind).find(({ inputs }) => dig(inputs, "metadata", "name") === name);
    if (found === undefined) throw new Error(`no ${kind} ${name} in the plan`);
    return found;
};
/** The agent, by the labels of whoever must be there. */
const onAgent = (spec: unknown) => dig(spec, "nodeSelector", "kubernetes.io/hostname");
const AGENT = "k3d-homelab-agent-0";

describe("the cluster", () => {
    test("one server, one agent, the release of the seed (T-BOOT-04, T-BOOT-05, T-BOOT-12, T-BOOT-13)", () => {
        expect(k3d()).toMatchObject({ servers: 1, agents: 1, image: "rancher/k3s:v1.33.6-k3s1" });
        const value = readStackValue(ROOT, "truenas") as { docker: Record<string, unknown> };
        const { clusterName: _name, k3s: _k3s, ...docker } = value.docker;
        return planStack("truenas", { ...value, docker }, ROOT).then(({ resources }) => {
            const file = resources.find(({ name }) => name === "k3d-k3d")?.inputs;
            expect(parse(String(dig(file, "stdin")))).toEqual(k3d());
        });
    });

    test("Traefik and the bundled storage are off, servicelb is not (T-BOOT-06, T-STOR-09, T-NET-14)", () => {
        const args = (dig(k3d(), "options", "k3s", "extraArgs") as { arg: string }[]).map(({ arg }) => arg);
        expect(args).toEqual(expect.arrayContaining(["--disable=traefik", "--disable=local-storage"]));
        expect(args.join(" ")).not.toContain("servicelb");
        expect(args.join(" ")).toContain("node-role.kubernetes.io/control-plane");
    });

    test("the API on the host's address, 8080 and 8443 at the load balancer and nothing else (T-NET-01, T-NET-02, T-NET-03, T-NET-05, T-NET-06)", () => {
        expect(k3d()["kubeAPI"]).toMatchObject({ host: "192.168.1.254", hostPort: "6443" });
        const ports = (k3d()["ports"] as { port: string; nodeFilters: string[] }[]).map(({ port, nodeFilters }) => [
            port.replace(/^.*?(\d+:\d+)$/, "$1"),
            nodeFilters,
        ]);
        expect(ports).toEqual([
            ["8080:80", ["loadbalancer"]],
            ["8443:443", ["loadbalancer"]],
        ]);
        expect(dig(k3d(), "options", "k3d")).not.toHaveProperty("disableLoadbalancer");
        expect(K3D).toContain("k3d-<cluster>-serverlb");
    });

    test("by SSH with a key alone, Docker behind it, directories that must be there: looked at before anything (T-BOOT-10, T-HW-01, T-HW-02, T-STOR-04)", () => {
        const asked = JSON.parse(String(dig(find(":Command", "k3d-preflight").inputs, "stdin"))) as Inputs;
        expect(asked).toMatchObject({
            ssh: "root@192.168.1.254",
            mounts: ["/mnt/spool/appdata", "/mnt/dpool/media", "/mnt/dpool/kopia-repo"],
        });
        for (const name of ["k3d-docker-context", "k3d-preflight", "k3d-k3d"]) {
            expect(dig(find(":Command", name).inputs, "environment", "DOCKER_HOST_SSH")).toBe("root@192.168.1.254");
        }
        const value = readStackValue(ROOT, "truenas") as { docker: object };
        const opened = openStack("truenas", { ...value, docker: { ...value.docker, ssh: "admin@truenas.local" } });
        expect(opened.machines.kind).toBe("k3d");
        const { ssh: _ssh, ...without } = value.docker as { ssh: string };
        expect(() => openStack("truenas", { ...value, docker: without })).toThrow(/user@host/);
    });

    test("names that k3d makes of the cluster's: nodes, context (T-BOOT-07, T-BOOT-15, T-BOOT-16)", () => {
        const { nodes } = openStack("truenas", readStackValue(ROOT, "truenas"));
        expect(nodes.map(({ name }) => name)).toEqual(["k3d-homelab-server-0", AGENT]);
        const cluster = String(dig(find(":Command", "k3d-kubeconfig").inputs, "environment", "CLUSTER_NAME"));
        expect(k3dNames(cluster).context).toBe("k3d-homelab");
    });

    test("three directories and the stick, at the agent (T-STOR-01, T-STOR-02, T-STOR-03, T-HW-06)", () => {
        const agents = ["agent:*"];
        expect(k3d()["volumes"]).toEqual([
            { volume: "/mnt/spool/appdata:/mnt/spool/appdata", nodeFilters: agents },
            { volume: "/mnt/dpool/media:/mnt/dpool/media", nodeFilters: agents },
            { volume: "/mnt/dpool/kopia-repo:/mnt/dpool/kopia-repo", nodeFilters: agents },
            { volume: "/dev/ttyUSB0:/dev/ttyUSB0", nodeFilters: agents },
        ]);
    });

    test("each step waits for the one before; a change of what k3d fixes is another cluster (T-BOOT-01, T-BOOT-02, T-BOOT-03, T-HW-08)", () => {
        inOrder(
            ...["k3d-address", "k3d-docker-context", "k3d-preflight", "k3d-k3d", "k3d-kubeconfig"].map((name) =>
                find(":Command", name),
            ),
        );
        expect(JSON.stringify(dig(find(":Command", "k3d-k3d").inputs, "triggers"))).toContain("/dev/ttyUSB0");
        expect(K3D).toMatch(/k3d fixes these when it makes a cluster: directories, devices/);
    });

    test("work runs on the agent, which has the disks and the stick (T-POL-01, T-POL-02, T-STOR-05)", () => {
        const withHostPaths = all("apps/v1:Deployment").filter(({ inputs }) =>
            (dig(inputs, "spec", "template", "spec", "volumes") as Inputs[] | undefined)?.some(
                (volume) => volume["hostPath"] !== undefined,
            ),
        );
        expect(withHostPaths.map(({ name }) => name)).toEqual(
            expect.arrayContaining(["plex", "qbittorrent", "zigbee2mqtt"]),
        );
        for (const { name, inputs } of withHostPaths) {
            expect([name, onAgent(dig(inputs, "spec", "template", "spec"))]).toEqual([name, AGENT]);
        }
        expect(JSON.stringify(values("local-path")["storageClassConfigs"])).toContain(AGENT);
    });
});

describe("the platform", () => {
    test("cert-manager, External Secrets and the provisioner before Argo CD, and Argo CD before what it syncs (T-BOOT-08, T-BOOT-09, T-APP-05, T-APP-06, T-APP-07, T-BOOT-14)", () => {
        for (const earlier of ["cert-manager", "external-secrets", "local-path"]) {
            inOrder(release(earlier), release("argocd"), named("ApplicationSet", "applications"));
        }
        const titles = plan.stages.map(({ title }) => title);
        expect(titles.at(-1)).toBe("8 applications");
    });

    test("Bitwarden is the store, and its token the one secret from outside (T-SEC-01, T-SEC-02, T-BOOT-11)", () => {
        const store = named("ClusterSecretStore", "bitwarden");
        expect(dig(store.inputs, "spec", "provider")).toHaveProperty("bitwardensecretsmanager");
        inOrder(release("external-secrets"), store);
        const outside = all("core/v1:Secret").map(({ name }) => name);
        expect(outside.filter((name) => !/^(tunnel|tailnet)/.test(name))).toEqual(["bitwarden-token"]);
        expect(JSON.stringify(find("core/v1:Secret", "bitwarden-token").inputs)).toMatch(/\[secret\]|secret/);
    });

    test("local-fast is the default and on the fast disk, local-bulk on the mounted one (T-STOR-06, T-STOR-07, T-STOR-08, T-STOR-10, T-STOR-14)", () => {
        const configs = values("local-path")["storageClassConfigs"] as Record<string, Inputs>;
        const classes = Object.entries(configs).map(([name, one]) => [
            name,
            dig(one, "storageClass", "defaultClass"),
            dig(one, "nodePathMap", 0, "paths"),
            dig(one, "storageClass", "pathPattern"),
            dig(one, "storageClass", "reclaimPolicy"),
        ]);
        const pattern = "{{ .PVC.Namespace }}/{{ .PVC.Name }}";
        expect(classes.sort(([a], [b]) => String(b).localeCompare(String(a)))).toEqual([
            ["local-fast", true, ["/mnt/spool/appdata"], pattern, "Retain"],
            ["local-bulk", false, ["/mnt/dpool/media"], pattern, "Retain"],
        ]);
        for (const claim of all(":PersistentVolumeClaim")) {
            expect(dig(claim.inputs, "spec", "storageClassName")).toBe("local-fast");
        }
    });

    test("Istio's gateway is the way in, by 80 and 443 of the nodes (T-EDGE-02, T-EDGE-03, T-APP-09)", () => {
        for (const name of ["istio-base", "istio", "gateway"]) expect(release(name)).toBeDefined();
        expect(JSON.stringify(plan.resources)).not.toContain("traefik.io");
        expect(dig(values("gateway"), "service", "type")).toBe("LoadBalancer");
        const ports = (dig(values("gateway"), "service", "ports") as { port: number }[]).map(({ port }) => port);
        expect(ports).toEqual([80, 443]);
        expect(new Set(plan.exposures.map(({ port }) => port))).toEqual(new Set([8443]));
    });

    test("Multus with a macvlan network; DHCP is a choice; no two cards have one address (T-NET-07, T-NET-08, T-NET-09, T-NET-10, T-NET-11, T-NET-12, T-NET-13, T-APP-10)", () => {
        expect(find("apps/v1:DaemonSet", "multus")).toBeDefined();
        const config: unknown = JSON.parse(
            String(dig(named("NetworkAttachmentDefinition", "iot").inputs, "spec", "config")),
        );
        expect(config).toMatchObject({ type: "macvlan", ipam: { type: "dhcp" } });
        const macs = all("apps/v1:Deployment").flatMap(({ inputs }) => {
            const cards = dig(inputs, "spec", "template", "metadata", "annotations", "k8s.v1.cni.cncf.io/networks");
            return cards === undefined ? [] : (JSON.parse(String(cards)) as { mac: string }[]).map(({ mac }) => mac);
        });
        expect(macs).toHaveLength(2);
        expect(new Set(macs).size).toBe(2);
        // What is left are leases and the pool of the household's own DHCP server.
        for (const cause of ["stale lease", "DHCP pool is exhausted", "another device has the same hardware address"]) {
            expect(TRUENAS).toContain(cause);
        }
    });

    test("Cloudflare's records and the tailnet in the same graph (T-EDGE-01, T-DNS-01, T-NET-04)", () => {
        expect(all(":DnsRecord").length).toBe(plan.exposures.length);
        expect(all("tailscale:index/tailnetKey:TailnetKey")).toHaveLength(1);
    });

    test("the plan says what an A record cannot", () => {
        expect(portNote(plan).join()).toMatch(/no port: in the LAN (\S+) is https:\/\/\1:8443, and so are 8 others/);
        const at443 = plan.exposures.map((row) => ({ ...row, port: 443 }));
        expect(portNote({ ...plan, exposures: at443 })).toEqual([]);
    });

    test("Kopia backs every volume that is kept up into its directory, by the clock (T-BKP-01, T-STOR-15)", () => {
        const job = find(":CronJob", "kopia").inputs;
        expect(dig(job, "spec", "schedule")).toBe("30 3 * * *");
        const spec = dig(job, "spec", "jobTemplate", "spec", "template", "spec") as Inputs;
        expect(spec["volumes"]).toContainEqual({
            name: "repository",
            hostPath: { path: "/mnt/dpool/kopia-repo", type: "Directory" },
        });
        const env = dig(spec, "containers", 0, "env") as { name: string; value?: string }[];
        const sources = env.find(({ name }) => name === "SOURCES")?.value?.split(" ");
        const kept = plan.volumes.filter(({ kind }) => kind === "data");
        expect(sources?.sort()).toEqual(kept.map(({ source }) => source.replace("/mnt/spool/appdata/", "")).sort());
        expect(sources).toEqual(expect.arrayContaining(["media/plex", "home-automation/home-assistant"]));
    });
});

describe("Git", () => {
    test("six categories, each a project, nothing in default (T-GITOPS-01, T-GITOPS-04, T-APP-08)", () => {
        expect(custom("AppProject").map(({ inputs }) => dig(inputs, "metadata", "name"))).toEqual(CATEGORIES);
        for (const project of custom("AppProject")) {
            expect(dig(project.inputs, "spec", "destinations", 0, "namespace")).toBe("!default");
        }
        const owned = JSON.stringify(dig(named("ApplicationSet", "applications").inputs, "spec", "generators"));
        const excluded = [
            ...owned.matchAll(
                /"exclude":true,"path":"apps\/([^/]+)\/|"path":"apps\/([^/]+)\/[^/"*]+\/config.yaml","exclude":true/g,
            ),
        ];
        const categories = excluded.map(([, one, other]) => one ?? other);
        expect(categories.length).toBeGreaterThan(15);
        expect(categories.filter((category) => !CATEGORIES.includes(String(category)))).toEqual([]);
        expect(owned).toContain("apps/argocd/argocd/config.yaml");
        expect(owned).toContain("apps/selfhosted/paperless/config.yaml");
        for (const set of custom("ApplicationSet")) {
            expect(dig(set.inputs, "spec", "template", "spec", "project")).not.toBe("default");
        }
    });

    test("an app is config.yaml, values.yaml and what is in manifests (T-GITOPS-02)", () => {
        const template = (name: string) =>
            dig(named("ApplicationSet", name).inputs, "spec", "template", "spec") as Inputs;
        expect(template("applications")["sources"]).toEqual([
            expect.objectContaining({
                repoURL: "{{ .chart.repository }}",
                chart: "{{ .chart.name }}",
                targetRevision: "{{ .chart.version }}",
                helm: expect.objectContaining({ valueFiles: ["$values/{{ .path.path }}/values.yaml"] }),
            }),
            expect.objectContaining({ ref: "values" }),
        ]);
        expect(JSON.stringify(dig(named("ApplicationSet", "manifests").inputs, "spec", "generators"))).toContain(
            "apps/media/*/manifests",
        );
    });

    test("root Application, sets, projects and namespaces (T-GITOPS-03)", () => {
        expect(dig(named("Application", "root").inputs, "spec", "source", "path")).toBe("argocd");
        expect(custom("ApplicationSet").length).toBeGreaterThanOrEqual(2);
        const namespaces = all("core/v1:Namespace").map(({ name }) => name);
        expect(namespaces).toEqual(expect.arrayContaining(["argocd", "home-automation", "media", "platform-system"]));
        expect(namespaces).not.toContain("default");
        const homeless = plan.resources.filter(({ inputs }) => dig(inputs, "metadata", "namespace") === "default");
        expect(homeless).toEqual([]);
    });
});

describe("apps", () => {
    test.each(["plex", "qbittorrent"])(
        "%s: s6 of LinuxServer, in media (T-APP-01, T-APP-02, T-POL-03, T-POL-04, T-POL-05, T-POL-06)",
        (name) => {
            expect(container(name)["image"]).toMatch(/^lscr\.io\/linuxserver\//);
            expect(dig(find("apps/v1:Deployment", name).inputs, "metadata", "namespace")).toBe("media");
            expect(pod(name)["securityContext"]).toEqual({
                fsGroup: 1000,
                fsGroupChangePolicy: "OnRootMismatch",
                seccompProfile: { type: "RuntimeDefault" },
            });
            expect(container(name)["securityContext"]).toEqual({ allowPrivilegeEscalation: false });
        },
    );

    test("paperless' step tesseract-langs is root, and what it prepares is not (T-APP-03, T-POL-07, T-POL-08)", () => {
        const step = (pod("paperless")["initContainers"] as Inputs[]).find((one) => one["name"] === "tesseract-langs");
        expect(step?.["securityContext"]).toMatchObject({ runAsUser: 0, runAsGroup: 0, runAsNonRoot: false });
        expect(pod("paperless")["securityContext"]).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
    });

    test("who writes a claim says as whom (T-STOR-13)", () => {
        const writers = all("apps/v1:Deployment").filter(({ inputs }) =>
            (dig(inputs, "spec", "template", "spec", "volumes") as Inputs[] | undefined)?.some(
                (volume) => volume["persistentVolumeClaim"] !== undefined,
            ),
        );
        expect(writers.length).toBeGreaterThan(7);
        for (const { name } of writers)
            expect([name, dig(pod(name), "securityContext", "fsGroup")]).toEqual([name, 1000]);
    });

    test("zigbee2mqtt has the stick, and is pinned to it (T-APP-04, T-HW-05, T-HW-07)", () => {
        expect(pod("zigbee2mqtt")["volumes"]).toContainEqual({
            name: "dev-ttyusb0",
            hostPath: { path: "/dev/ttyUSB0", type: "CharDevice" },
        });
        expect(container("zigbee2mqtt")["volumeMounts"]).toContainEqual({
            name: "dev-ttyusb0",
            mountPath: "/dev/ttyUSB0",
        });
        expect(onAgent(pod("zigbee2mqtt"))).toBe(AGENT);
    });
});

describe("the documents", () => {
    test("tools: what is needed and what the graph replaces (T-OPS-02)", () => {
        expect(TRUENAS).toMatch(/`ssh`, `docker` \(the client\), `k3d`, `kubectl`/);
        expect(TRUENAS).toMatch(/Neither `helm`, `helmfile`, `go-task` nor `opentofu`/);
    });

    test.each([
        ["task bootstrap:create", "pulumi up --stack truenas", "T-OPS-03, T-OPS-06"],
        ["task bootstrap:destroy", "pulumi destroy --stack truenas", "T-OPS-04, T-OPS-07"],
        [
            "task bootstrap:recreate",
            "pulumi destroy --stack truenas && BWS_ACCESS_TOKEN=... pulumi up",
            "T-OPS-05, T-OPS-08",
        ],
        ["task argo:sync`", "annotate applications.argoproj.io --all argocd.argoproj.io/refresh=hard", "T-OPS-09"],
        [
            "task argo:sync app=plex",
            "annotate applications.argoproj.io plex argocd.argoproj.io/refresh=hard",
            "T-OPS-10",
        ],
        ["task argo:pf", "port-forward service/argocd-server 8080:80", "T-OPS-11"],
        ["task lint", "npm run format", "T-OPS-12"],
        ["task tf:plan", "pulumi preview --stack truenas", "T-OPS-13"],
        ["task tf:apply", "pulumi up --stack truenas", "T-OPS-14"],
    ])("%s has its command: %s (%s)", (task, command) => {
        const line = TRUENAS.split("\n").find((text) => text.includes(`\`${task}`));
        expect(line).toContain(command);
    });

    test("the commands of the seed's tasks: T-OPS-03, T-OPS-04, T-OPS-05, T-OPS-06, T-OPS-07, T-OPS-08, T-OPS-09, T-OPS-10, T-OPS-11, T-OPS-12, T-OPS-13, T-OPS-14", () => {
        const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
            scripts: Record<string, string>;
        };
        for (const [, script] of TRUENAS.matchAll(/`npm run ([a-z:]+)/g))
            expect(Object.keys(scripts)).toContain(script);
        // What it names is in the plan.
        expect(plan.resources.some(({ name }) => name === "argocd")).toBe(true);
        expect(dig(find(":Command", "k3d-k3d").inputs, "environment", "CLUSTER_NAME")).toBe("homelab");
    });

    test("permissions, stick and volumes by symptom (T-OPS-15, T-OPS-16, T-OPS-17)", () => {
        expect(TRUENAS).toMatch(/`Permission denied` on s6 scripts/);
        expect(TRUENAS).toMatch(/init container fails with `Permission denied` at `apt-get` or `chown`/);
        expect(TRUENAS).toMatch(/`Permission denied` on a claim/);
        expect(TRUENAS).toMatch(/cannot open `\/dev\/ttyUSB0`/);
        expect(NAS_STORAGE).toContain('ssh $DOCKER_HOST_SSH "ls -la /mnt/spool/appdata/<namespace>/<claim>"');
        expect(K3D).toContain('ssh user@host "ls -la /dev/ttyUSB0"');
        expect(K3D).toContain("exec k3d-<cluster>-agent-0 ls -la /dev/ttyUSB0");
    });

    test("cards and DHCP by symptom and cause (T-OPS-18, T-OPS-19)", () => {
        expect(TRUENAS).toMatch(/`address already in use` or `no more tries`/);
        expect(TRUENAS).toMatch(/stale lease .* release or delete/s);
        expect(TRUENAS).toMatch(/DHCP pool is exhausted .* free addresses/s);
        expect(TRUENAS).toMatch(/another device has the same hardware address/);
    });
});
