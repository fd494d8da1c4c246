/** Flux: its operator, the instance, and the path of Git it follows. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { FluxOperator, fluxOperatorValues, FluxSync } from "../../components/gitops/flux";
import { chooseIdentity, findIdentity, recipientsOf } from "../../components/secrets/age-identity/choose";
import { ageKeyFile, newAgeKey, secretsDocument } from "../../sandbox/secrets-file";
import { ROOT } from "../../stacks/stack-file";
import { planComponent } from "./component-plan";
import { dig, lookInto, type Inputs } from "./planned";

let look: ReturnType<typeof lookInto>;
let spec: Inputs;
beforeAll(async () => {
    const resources = await planComponent(() => {
        const operator = new FluxOperator("flux-operator", {}, {});
        new FluxSync(
            "flux",
            {
                cluster: { kubeconfig: pulumi.secret("kubeconfig") },
                operator,
                repository: "https://github.com/rtrox/home-ops.git",
                revision: "refs/heads/main",
                path: "cluster-apps/chongus",
                leave: { platformNamespaces: ["flux-system"], sharedNamespaces: ["apps"], apps: ["sonarr"] },
                ageKey: { recipient: "age1recipient" },
            },
            {},
        );
    });
    look = lookInto(() => ({ resources }));
    spec = dig(look.find(":FluxInstance", "flux").inputs, "spec") as Inputs;
});

test("the operator is a release of its own in flux-system, confined and limited (C-BOOT-14)", () => {
    expect(look.find(":Release", "flux-operator").inputs).toMatchObject({
        chart: "oci://ghcr.io/controlplaneio-fluxcd/charts/flux-operator",
        version: "0.49.0",
        name: "flux-operator",
        namespace: "flux-system",
    });
    expect(dig(look.find(":Namespace", "flux-system").inputs, "metadata", "labels")).toMatchObject({
        "pod-security.kubernetes.io/enforce": "restricted",
    });
    expect(fluxOperatorValues()).toEqual({
        serviceMonitor: { create: true },
        resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "1Gi" } },
    });
});

test("it installs Flux by the one FluxInstance it takes, which is waited for (C-BOOT-14)", () => {
    expect(look.find(":FluxInstance", "flux").inputs).toMatchObject({
        apiVersion: "fluxcd.controlplane.io/v1",
        kind: "FluxInstance",
        metadata: {
            name: "flux",
            namespace: "flux-system",
            annotations: { "pulumi.com/waitFor": "condition=Ready" },
        },
    });
    // Patches of a minor version whose manifests are in this operator's image.
    expect(spec["distribution"]).toEqual({ version: "2.8.x", registry: "ghcr.io/fluxcd" });
    expect(spec["components"]).toEqual([
        "source-controller",
        "kustomize-controller",
        "helm-controller",
        "notification-controller",
    ]);
    expect(spec["cluster"]).toEqual({ type: "kubernetes", networkPolicy: true });
    expect(spec["wait"]).toBe(true);
    look.inOrder(
        look.find(":Namespace", "flux-system"),
        look.find(":Release", "flux-operator"),
        look.find(":FluxInstance", "flux"),
    );
});

test("it is ready with its controllers: a repository that is out of reach keeps nothing from coming up", () => {
    expect(spec).not.toHaveProperty("sync");
    // Neither does the program wait for either of the two.
    for (const [type, name] of [
        ["v1:GitRepository", "flux-source"],
        ["v1:Kustomization", "flux-root"],
    ] as const) {
        const { inputs } = look.find(type, name);
        expect(dig(inputs, "metadata")).toEqual({ name: "flux-system", namespace: "flux-system" });
        look.inOrder(look.find(":FluxInstance", "flux"), look.find(type, name));
    }
});

test("it follows one path of one repository, and lets go of it while it still runs", () => {
    expect(dig(look.find("v1:GitRepository", "flux-source").inputs, "spec")).toEqual({
        url: "https://github.com/rtrox/home-ops.git",
        ref: { name: "refs/heads/main" },
        interval: "1m",
    });
    const { patches, ...root } = dig(look.find("v1:Kustomization", "flux-root").inputs, "spec") as Inputs;
    expect(root).toEqual({
        sourceRef: { kind: "GitRepository", name: "flux-system" },
        path: "./cluster-apps/chongus",
        interval: "10m",
        retryInterval: "2m",
        prune: true,
        deletionPolicy: "WaitForTermination",
    });
    expect((patches as { target: Inputs }[]).map(({ target }) => target)).toEqual([
        { namespace: "flux-system|kube-node-lease|kube-public|kube-system" },
        { kind: "Namespace", name: "apps|flux-system|kube-node-lease|kube-public|kube-system" },
        {
            group: "kustomize.toolkit.fluxcd.io",
            kind: "Kustomization",
            name: expect.stringMatching(/(^|\|)cilium\|.*\|sonarr(\||$)/) as unknown,
        },
        { group: "notification.toolkit.fluxcd.io", namespace: "apps" },
    ]);
});

describe("the age key", () => {
    test("is a Secret whose content no resource has seen, and the one for Kustomizations of every namespace", () => {
        const command = look.find(":Command", "flux-age-key").inputs;
        expect(dig(command, "environment")).toMatchObject({
            AGE_RECIPIENT: "age1recipient",
            FLUX_NAMESPACE: "flux-system",
        });
        expect(dig(command, "create")).toContain(
            'kubectl --namespace "$FLUX_NAMESPACE" create secret generic sops-age --from-file=age.agekey=/dev/stdin',
        );
        expect(dig(command, "create")).toContain('components/secrets/age-identity/run.cjs identity "$AGE_RECIPIENT"');
        expect(command).not.toHaveProperty("delete");
        expect(dig(command, "triggers", 0)).toBe("age1recipient");
        look.inOrder(look.find(":FluxInstance", "flux"), look.find(":Command", "flux-age-key"));
        const patches = dig(spec, "kustomize", "patches") as { target: Inputs; patch: string }[];
        expect(JSON.parse(patches.at(-1)?.patch ?? "")).toEqual([
            { op: "add", path: "/spec/template/spec/containers/0/args/-", value: "--sops-age-secret=sops-age" },
        ]);
    });

    test("is the one that opens the secrets file, and no other of this computer", async () => {
        const [mine, clusters] = [await newAgeKey(), await newAgeKey()];
        const keys = [mine, clusters];
        const document = await secretsDocument({ "doppler.serviceToken": "x" }, clusters.recipient);
        expect(recipientsOf(document)).toEqual([clusters.recipient]);
        expect(chooseIdentity(keys, recipientsOf(document), "a.enc.yaml")).toEqual(clusters);
        expect(findIdentity(keys, mine.recipient)).toEqual(mine);
        expect(() => chooseIdentity([mine], [clusters.recipient], "a.enc.yaml")).toThrow(
            `none of the 1 age keys on this computer opens a.enc.yaml, which is encrypted to ${clusters.recipient}`,
        );
        expect(() => chooseIdentity(keys, [mine.recipient, clusters.recipient], "a.enc.yaml")).toThrow(
            "gitops.decryption.recipient",
        );
        expect(() => findIdentity([mine], clusters.recipient)).toThrow("point SOPS_AGE_KEY_FILE at a file that has it");
        // No message has a private half.
        for (const attempt of [() => findIdentity([mine], "x"), () => chooseIdentity([mine], ["x"], "y")]) {
            expect(attempt).not.toThrow(/AGE-SECRET-KEY/);
        }
    });

    test("the child process finds it where sops does, and prints the half that it is asked for", async () => {
        const [mine, clusters] = [await newAgeKey(), await newAgeKey()];
        const folder = mkdtempSync(join(tmpdir(), "age-"));
        try {
            const file = join(folder, "keys.txt");
            const secrets = join(folder, "secrets.enc.yaml");
            writeFileSync(file, ageKeyFile(mine) + ageKeyFile(clusters));
            writeFileSync(secrets, await secretsDocument({ "a.b": "x" }, clusters.recipient));
            const run = (...args: string[]) =>
                spawnSync(process.execPath, [join(ROOT, "components/secrets/age-identity/run.cjs"), ...args], {
                    encoding: "utf8",
                    env: { PATH: process.env["PATH"], HOME: folder, SOPS_AGE_KEY_FILE: file },
                });
            expect(run("recipient", secrets).stdout).toBe(`${clusters.recipient}\n`);
            expect(run("identity", mine.recipient).stdout).toBe(`${mine.identity}\n`);
            const unknown = run("own-recipient", "age1unknown");
            expect(unknown.status).toBe(1);
            expect(unknown.stderr).toContain("the age key of age1unknown is not on this computer");
            expect(unknown.stderr + unknown.stdout).not.toContain("AGE-SECRET-KEY");
        } finally {
            rmSync(folder, { recursive: true, force: true });
        }
    });
});

test("kustomize-, helm- and source-controller have 2Gi each, each by a patch (C-POL-19, C-POL-20, C-POL-21)", () => {
    const patches = dig(spec, "kustomize", "patches") as { target: Inputs; patch: string }[];
    const memory = patches.filter(({ patch }) => patch.includes("memory"));
    expect(memory.map(({ target, patch }) => [target, JSON.parse(patch) as unknown])).toEqual(
        ["kustomize-controller", "helm-controller", "source-controller"].map((name) => [
            { kind: "Deployment", name },
            [{ op: "replace", path: "/spec/template/spec/containers/0/resources/limits/memory", value: "2Gi" }],
        ]),
    );
});
