import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { planProgram, planStack, type Plan } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { dig, lookInto, type Inputs } from "./planned";

let plan: Plan;
beforeAll(async () => {
    plan = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
});
const { all, find, values, pod, container, waitsFor, inOrder } = lookInto(() => plan);

describe("bootstrap order", () => {
    test("seven steps in a chain (H-BOOT-05)", () => {
        inOrder(
            find(":Command", "node-kubeconfig"),
            find(":Release", "cilium"),
            find(":Command", "cilium-ready"),
            find(":CiliumLoadBalancerIPPool", "lan"),
            find(":Command", "lan-ingress-address"),
            find(":Command", "sops-age-key"),
            find(":Release", "argocd"),
            find(":ZeroTrustTunnelCloudflared", "tunnel"),
            find(":DnsRecord", "echo-server.peterstorm.io"),
            find(":ApplicationSet", "homelab"),
        );
        inOrder(find(":Command", "cilium-ready"), find(":CiliumL2AnnouncementPolicy", "lan-announcements"));
        inOrder(find("core/v1:Namespace", "argocd"), find(":Command", "sops-age-key"));
    });

    test("everything else in the cluster waits for Cilium (H-BOOT-06)", () => {
        const cilium = find(":Release", "cilium").urn;
        const objects = plan.resources.filter(({ type, urn }) => type.startsWith("kubernetes:") && urn !== cilium);
        expect(objects.length).toBeGreaterThan(60);
        expect(objects.filter(({ urn }) => !waitsFor(urn).has(cilium)).map(({ urn }) => urn)).toEqual([]);
    });

    test("workloads are not serialised: none waits for another", () => {
        const media = ["plex", "sonarr", "radarr", "prowlarr", "overseerr", "transmission", "echo-server"];
        for (const name of media) {
            const others = [...waitsFor(find(":Deployment", name).urn)].filter(
                (urn) => urn.includes("homelab:apps:Workload") && !urn.endsWith(`::${name}`),
            );
            expect([name, others]).toEqual([name, []]);
        }
    });

    test("deletion is the reverse: connector before drain before tunnel, ApplicationSet before drain before Argo CD", () => {
        inOrder(
            find(":ZeroTrustTunnelCloudflared", "tunnel"),
            find(":Command", "tunnel-drain"),
            find("core/v1:Secret", "tunnel-token"),
            find("apps/v1:Deployment", "cloudflared"),
        );
        inOrder(find(":Release", "argocd"), find(":Command", "homelab-drain"), find(":ApplicationSet", "homelab"));
        inOrder(
            find(":Command", "cilium-crd-cleanup"),
            find(":Release", "cilium"),
            find(":CiliumLoadBalancerIPPool", "lan"),
        );
    });

    test("dependsOn names planned resources only, and no cycle", () => {
        const urns = new Set(plan.resources.map(({ urn }) => urn));
        for (const resource of plan.resources) {
            expect(resource.dependsOn.filter((urn) => !urns.has(urn))).toEqual([]);
            expect(waitsFor(resource.urn).has(resource.urn)).toBe(false);
        }
    });
});

describe("derived tables", () => {
    test("DNS: exactly the nine rows of the seed (H-DNS-03..12)", () => {
        const local = (host: string, address = "192.168.0.240") => ({
            name: `${host}.peterstorm.io`,
            type: "A",
            content: address,
            proxied: false,
            access: "local",
            owner: "pulumi",
        });
        const rows = [
            {
                name: "echo-server.peterstorm.io",
                type: "CNAME",
                content: "<tunnel-id>.cfargotunnel.com",
                proxied: true,
                access: "external",
                owner: "pulumi",
            },
            ...["sonarr", "radarr", "prowlarr", "overseerr", "transmission", "grafana", "argocd"].map((host) =>
                local(host),
            ),
            local("plex", "192.168.0.241"),
        ];
        expect(plan.dns).toEqual(rows.sort((a, b) => (a.name < b.name ? -1 : 1)));
    });

    test("tunnel: the one external host to the shared ingress, 404 last (H-EDGE-02, H-EDGE-04)", () => {
        expect(plan.tunnel).toEqual([
            {
                hostname: "echo-server.peterstorm.io",
                service: "http://cilium-ingress.kube-system.svc.cluster.local:80",
            },
            { hostname: null, service: "http_status:404" },
        ]);
    });

    test("volumes: a stable directory an app, shared libraries at one path each", () => {
        const kept = plan.volumes.filter(({ survivesDestroy }) => survivesDestroy);
        expect(kept.map(({ workload, mountPath, source }) => `${workload} ${mountPath} ${source}`)).toEqual([
            "overseerr /app/config /var/data/configs/overseerr",
            "plex /config /var/data/configs/plex",
            "plex /media /var/data/media",
            "prowlarr /config /var/data/configs/prowlarr",
            "radarr /config /var/data/configs/radarr",
            "radarr /media /var/data/media",
            "radarr /torrents /var/data/torrents",
            "sonarr /config /var/data/configs/sonarr",
            "sonarr /media /var/data/media",
            "sonarr /torrents /var/data/torrents",
            "transmission /config /var/data/configs/transmission",
            "transmission /torrents /var/data/torrents",
        ]);
    });

    test("images: by digest, but for the listed ones; none of Bitnami (H-APP-12)", () => {
        expect(plan.images.filter(({ pinned }) => !pinned).map(({ image }) => image)).toEqual([
            "haugene/transmission-openvpn:5.4.1",
        ]);
        expect(JSON.stringify(plan.resources)).not.toMatch(/bitnami|k8s-at-home|truecharts/);
    });
});

describe("Cilium", () => {
    test("values of the seed (H-NET-03, H-NET-06, H-NET-07, H-NET-09, H-MON-02, H-EDGE-05)", () => {
        const cilium = values("cilium");
        expect(cilium).toMatchObject({
            kubeProxyReplacement: true,
            k8sServiceHost: "192.168.0.28",
            k8sServicePort: 6443,
            l2announcements: { enabled: true },
            ingressController: {
                enabled: true,
                loadbalancerMode: "shared",
                service: { annotations: { "io.cilium/lb-ipam-ips": "192.168.0.240" } },
            },
            hubble: { enabled: true, metrics: { enabled: expect.arrayContaining(["dns", "drop", "flow"]) } },
        });
        expect(find(":CiliumL2AnnouncementPolicy", "lan-announcements")).toBeDefined();
    });

    test("its release does not wait; the gate does", () => {
        expect(dig(find(":Release", "cilium").inputs, "skipAwait")).toBe(true);
        const gate = String(dig(find(":Command", "cilium-ready").inputs, "create"));
        expect(gate).toContain("rollout status daemonset/cilium");
        expect(gate).toMatch(/wait crd ciliumloadbalancerippools\.cilium\.io .*--for=condition=Established/);
    });

    test("the pool is a range, the policy announces it (H-NET-08)", () => {
        expect(dig(find(":CiliumLoadBalancerIPPool", "lan").inputs, "spec")).toEqual({
            blocks: [{ start: "192.168.0.240", stop: "192.168.0.250" }],
        });
        expect(dig(find(":CiliumL2AnnouncementPolicy", "lan-announcements").inputs, "spec")).toMatchObject({
            loadBalancerIPs: true,
        });
    });
});

describe("secrets", () => {
    test("the plan shows none", () => {
        const text = JSON.stringify(plan.resources);
        expect(text).not.toMatch(/AGE-SECRET-KEY-1/);
        expect(text).not.toMatch(/"apiToken":"(?!\[secret\])/);
        expect(dig(find(":cloudflare", "cloudflare").inputs, "apiToken")).toBe("[secret]");
        expect(dig(find("core/v1:Secret", "transmission").inputs, "stringData")).toBe("[secret]");
        expect(dig(find(":kubernetes", "homelab").inputs, "kubeconfig")).toBe("[secret]");
    });

    test("the age key is in no input; only a hash triggers its delivery (H-SEC-05, H-SEC-13)", () => {
        const delivery = find(":Command", "sops-age-key").inputs as Inputs;
        expect(Object.keys(delivery).sort()).toEqual([
            "create",
            "environment",
            "interpreter",
            "logging",
            "triggers",
            "update",
        ]);
        expect(Object.keys(delivery["environment"] as object)).toEqual(["CLUSTER_KUBECONFIG", "READ_KEY"]);
        expect(dig(delivery, "environment", "READ_KEY")).toContain("cat /var/lib/sops-nix/keys.txt");
        expect(delivery["create"]).toContain("kubectl --namespace argocd create secret generic sops-age-key");
        expect(all(":Secret").filter(({ inputs }) => /age-key|keys\.txt/.test(JSON.stringify(inputs)))).toEqual([]);
        expect(JSON.stringify(plan.resources)).not.toContain("AGE-SECRET-KEY-1");
    });

    test("ksops in the repo-server (H-SEC-06, H-SEC-17)", () => {
        expect(values("argocd")["repoServer"]).toMatchObject({
            initContainers: [{ name: "install-ksops", volumeMounts: [{ mountPath: "/custom-tools" }] }],
            volumes: expect.arrayContaining([{ name: "sops-age-key", secret: { secretName: "sops-age-key" } }]),
            volumeMounts: expect.arrayContaining([
                { name: "custom-tools", mountPath: "/usr/local/bin/ksops", subPath: "ksops" },
                { name: "sops-age-key", mountPath: "/.config/sops/age", readOnly: true },
            ]),
            env: [{ name: "SOPS_AGE_KEY_FILE", value: "/.config/sops/age/keys.txt" }],
        });
        expect(dig(values("argocd"), "configs", "cm", "kustomize.buildOptions")).toContain(
            "--enable-alpha-plugins --enable-exec --enable-helm",
        );
    });

    test("NordVPN credentials come from the SOPS file (H-SEC-12)", () => {
        const env = dig(
            find("apps/v1:Deployment", "transmission").inputs,
            "spec",
            "template",
            "spec",
            "containers",
            0,
            "env",
        ) as Inputs[];
        expect(env.filter((entry) => entry["valueFrom"] !== undefined)).toEqual([
            {
                name: "OPENVPN_USERNAME",
                valueFrom: { secretKeyRef: { name: "transmission", key: "OPENVPN_USERNAME" } },
            },
            {
                name: "OPENVPN_PASSWORD",
                valueFrom: { secretKeyRef: { name: "transmission", key: "OPENVPN_PASSWORD" } },
            },
        ]);
    });
});

describe("workloads", () => {
    const names = ["cloudflared", "echo-server", "plex", "sonarr", "radarr", "prowlarr", "overseerr", "transmission"];

    test.each(names)("%s has probes, requests, a memory limit and no service account token", (name) => {
        expect(container(name)).toMatchObject({
            startupProbe: expect.anything(),
            readinessProbe: expect.anything(),
            livenessProbe: expect.anything(),
            resources: {
                requests: { cpu: expect.any(String), memory: expect.any(String) },
                limits: { memory: expect.any(String) },
            },
        });
        expect(pod(name)["automountServiceAccountToken"]).toBe(false);
    });

    test("rootless images are confined, s6 starts as root, the VPN has what it needs", () => {
        for (const name of ["sonarr", "radarr", "prowlarr", "overseerr", "echo-server", "cloudflared"]) {
            expect(pod(name)["securityContext"]).toMatchObject({ runAsNonRoot: true });
            expect(container(name)["securityContext"]).toMatchObject({
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
            });
        }
        expect(pod("plex")["securityContext"]).not.toHaveProperty("runAsNonRoot");
        expect(pod("plex")["securityContext"]).not.toHaveProperty("runAsUser");
        expect(container("plex")["env"]).toEqual(expect.arrayContaining([{ name: "PUID", value: "1000" }]));
        expect(container("transmission")["securityContext"]).toMatchObject({ capabilities: { add: ["NET_ADMIN"] } });
        expect(pod("transmission")["volumes"]).toEqual(
            expect.arrayContaining([{ name: "dev-net-tun", hostPath: { path: "/dev/net/tun", type: "CharDevice" } }]),
        );
    });

    test("plex has its own address and no Ingress (H-NET-05, H-NET-10, H-APP-05, H-APP-13)", () => {
        const service = find("core/v1:Service", "plex").inputs;
        expect(dig(service, "spec", "type")).toBe("LoadBalancer");
        expect(dig(service, "spec", "ports", 0, "port")).toBe(32400);
        expect(dig(service, "metadata", "annotations", "io.cilium/lb-ipam-ips")).toBe("192.168.0.241");
        expect(all(":Ingress").filter(({ inputs }) => JSON.stringify(inputs).includes("plex"))).toEqual([]);
        expect(container("plex")["image"]).toMatch(/\/linuxserver\/plex[:@]/);
        expect(dig(find("apps/v1:Deployment", "plex").inputs, "metadata", "labels")).toMatchObject({
            "app.kubernetes.io/part-of": "media",
        });
    });

    test("local hosts share the ingress by name (H-EDGE-06)", () => {
        const ingresses = plan.resources.filter(({ type }) => type.endsWith(":Ingress"));
        const hosts = ingresses.map(({ inputs }) => dig(inputs, "spec", "rules", 0, "host"));
        expect(hosts.sort()).toEqual(
            ["argocd", "echo-server", "grafana", "overseerr", "prowlarr", "radarr", "sonarr", "transmission"].map(
                (host) => `${host}.peterstorm.io`,
            ),
        );
        for (const { inputs } of ingresses) {
            expect(dig(inputs, "spec", "ingressClassName")).toBe("cilium");
            expect(dig(inputs, "spec", "rules")).toHaveLength(1);
            expect(inputs).not.toHaveProperty("spec.tls");
        }
        const balanced = all("core/v1:Service").filter(({ inputs }) => dig(inputs, "spec", "type") !== "ClusterIP");
        expect(balanced.map(({ name }) => name)).toEqual(["plex"]);
    });

    test("config volumes are pre-bound to stable directories and survive", () => {
        const volume = find(":PersistentVolume", "sonarr").inputs;
        expect(dig(volume, "spec")).toMatchObject({
            accessModes: ["ReadWriteOnce"],
            claimRef: { namespace: "media", name: "sonarr-config" },
            hostPath: { path: "/var/data/configs/sonarr", type: "Directory" },
            persistentVolumeReclaimPolicy: "Retain",
            storageClassName: "local-path",
        });
        expect(dig(find(":PersistentVolumeClaim", "sonarr").inputs, "spec")).toMatchObject({
            storageClassName: "local-path",
            volumeName: "media-sonarr-config",
        });
        expect(dig(find("apps/v1:Deployment", "sonarr").inputs, "spec", "strategy")).toEqual({ type: "Recreate" });
        expect(plan.resources.filter(({ retainOnDelete }) => retainOnDelete)).toEqual([]);
    });

    test("local-path's provisioner is no root and writes nothing; its helpers keep what removing directories takes", () => {
        const spec = dig(find("apps/v1:Deployment", "local-path").inputs, "spec", "template", "spec") as Inputs;
        expect(spec["securityContext"]).toEqual({
            runAsNonRoot: true,
            runAsUser: 65534,
            runAsGroup: 65534,
            seccompProfile: { type: "RuntimeDefault" },
        });
        expect(container("local-path")["securityContext"]).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
        });
        const data = dig(find("core/v1:ConfigMap", "local-path").inputs, "data") as Record<string, string>;
        const helper = JSON.parse(data["helperPod.yaml"] ?? "") as unknown;
        const context = dig(helper, "spec", "containers", 0, "securityContext");
        expect(context).toMatchObject({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true });
        // What the provisioner refuses in a template (its util.go), and without which a directory of others stays.
        expect(context).not.toHaveProperty("privileged");
        expect(dig(context, "capabilities")).not.toHaveProperty("add");
        for (const kept of ["ALL", "CHOWN", "DAC_OVERRIDE", "FOWNER"]) {
            expect(dig(context, "capabilities", "drop")).not.toContain(kept);
        }
        expect(dig(helper, "spec", "containers", 0, "resources", "limits")).toEqual({ memory: "64Mi" });
    });

    test("local-path's helper pods run as its own account", () => {
        expect(container("local-path")["env"]).toContainEqual({
            name: "SERVICE_ACCOUNT_NAME",
            value: "local-path-provisioner",
        });
        inOrder(
            find("apps/v1:Deployment", "local-path"),
            find(":Command", "local-path-drain"),
            find(":StorageClass", "local-path"),
            find("core/v1:Namespace", "monitoring"),
        );
    });

    test("the chain of requests goes by service names (H-APP-11)", () => {
        const connects = (name: string) =>
            dig(find("apps/v1:Deployment", name).inputs, "metadata", "annotations", "homelab/connects-to");
        const arr = "http://prowlarr.media.svc.cluster.local:9696 http://transmission.media.svc.cluster.local:9091";
        expect(connects("overseerr")).toBe(
            "http://sonarr.media.svc.cluster.local:8989 http://radarr.media.svc.cluster.local:7878 http://plex.media.svc.cluster.local:32400",
        );
        expect([connects("sonarr"), connects("radarr")]).toEqual([arr, arr]);
        for (const url of [connects("overseerr"), connects("sonarr")].join(" ").split(" ")) {
            const { hostname, port } = new URL(url);
            const [service = "", namespace] = hostname.split(".");
            const { metadata, spec } = find("core/v1:Service", service).inputs as Record<string, Inputs>;
            expect([metadata?.["namespace"], dig(spec, "ports", 0, "port")]).toEqual([namespace, Number(port)]);
        }
        const env = container("transmission")["env"] as Inputs[];
        expect(env).toContainEqual({ name: "LOCAL_NETWORK", value: "192.168.0.0/24,10.42.0.0/16,10.43.0.0/16" });
        expect(env).toContainEqual({ name: "TRANSMISSION_DOWNLOAD_DIR", value: "/torrents/complete" });
    });
});

test("a plan is deterministic, and a user without clouds still gets a cluster", async () => {
    const again = await planStack("homelab", readStackValue(ROOT, "homelab"), ROOT);
    expect(JSON.stringify(again)).toBe(JSON.stringify(plan));

    const { cloudflare: _zone, tailscale: _net, ...rest } = readStackValue(ROOT, "homelab") as Record<string, unknown>;
    const lan = await planStack("homelab", rest, ROOT);
    // Nobody but the resolver knows them.
    expect(lan.dns).toHaveLength(9);
    expect(lan.dns).toContainEqual({
        ...{ name: "sonarr.peterstorm.io", type: "A", content: "192.168.0.240", proxied: false },
        ...{ access: "local", owner: "resolver" },
    });
    expect(lan.notes).toContainEqual(expect.stringMatching(/no tunnel leads in.*\(echo-server\)/));
    expect(lan.tunnel).toEqual([]);
    expect(lan.resources.filter(({ type }) => /cloudflare|tailscale/.test(type))).toEqual([]);
    expect(lan.exposures).toHaveLength(9);
    expect(lan.exposures.filter(({ access }) => access === "external")).toEqual([]);
});

test("golden URNs: a renamed resource is a deleted one", () => {
    expect(
        plan.resources.map(({ urn }) => urn.replace(/^urn:pulumi:homelab::homelab-infrastructure::/, "")),
    ).toMatchSnapshot();
});

test("the program imports without an engine and has no effect when it does", () => {
    expect(() => require(join(ROOT, "stacks"))).not.toThrow();
});

test("a program that throws is answered with what it throws, once", async () => {
    const left: unknown[] = [];
    const note = (reason: unknown) => left.push(reason);
    process.on("unhandledRejection", note);
    try {
        const stack = { name: "lost", recipe: "homelab", machinesText: "", special: "" };
        const thrown = new pulumi.RunError("no room");
        await expect(planProgram(stack, () => Promise.reject(thrown))).rejects.toBe(thrown);
        await setImmediate();
        expect(left).toEqual([]);
    } finally {
        process.off("unhandledRejection", note);
    }
});
