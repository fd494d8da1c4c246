/**
 * What deleting a k3d cluster does to its control plane. k3s keeps its database in the server's container; the sandbox's
 * API server stays up, so its database is emptied under it: every object goes, with no finalizer asked, and namespace
 * kube-system comes back with another UID.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { PlayedHost } from "./state";

/** What an API server writes once, when it starts, and what makes this one a sandbox. */
const KEPT = [
    /^(clusterroles|clusterrolebindings)\/(system:|(cluster-admin|admin|edit|view)$)/,
    /^(roles|rolebindings)\/kube-(system|public)\/(system:|extension-apiserver-authentication-reader$)/,
    /^priorityclasses\/system-/,
    /^(flowschemas|prioritylevelconfigurations|ranges|masterleases|servicecidrs)\//,
    /^apiregistration\.k8s\.io\/apiservices\/v[0-9a-z]+\.([a-z.]*k8s\.io|apps|autoscaling|batch|policy|)$/,
    /^leases\/kube-(system|node-lease)\//,
    /^configmaps\/kube-system\/(extension-apiserver-authentication|kube-apiserver-legacy)/,
    /^services\/(specs|endpoints)\/default\/kubernetes$/,
    /^endpointslices\/default\/kubernetes$/,
    /^ipaddresses\//,
    /^apiextensions\.k8s\.io\/customresourcedefinitions\/stages\.kwok\.x-k8s\.io$/,
];

/** The API server would make them within a minute. */
const SYSTEM_NAMESPACES = ["kube-system", "kube-public", "kube-node-lease", "default"];

export async function emptyControlPlane({ controlPlane, kubeconfig }: PlayedHost, bin: string): Promise<void> {
    const file = controlPlane === undefined ? "" : join(controlPlane, "kwok.yaml");
    if (!existsSync(file)) return;
    const port = parseAllDocuments(readFileSync(file, "utf8"))
        .map((document) => document.toJS() as { options?: { etcdPort?: number } } | null)
        .find((document) => document?.options?.etcdPort !== undefined)?.options?.etcdPort;
    if (port === undefined) throw new Error(`${file} does not say etcd's port`);
    const etcd = async (question: string, body: object) => {
        const answer = await fetch(`http://127.0.0.1:${port}/v3/kv/${question}`, {
            method: "POST",
            body: JSON.stringify(body),
        });
        if (!answer.ok) throw new Error(`etcd ${question}: ${answer.status} ${await answer.text()}`);
        return (await answer.json()) as { kvs?: { key: string }[] };
    };
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const { kvs = [] } = await etcd("range", {
        key: base64("/registry/"),
        range_end: base64("/registry0"),
        keys_only: true,
    });
    for (const { key } of kvs) {
        const name = Buffer.from(key, "base64").toString("utf8").replace("/registry/", "");
        if (!KEPT.some((kept) => kept.test(name))) await etcd("deleterange", { key });
    }
    for (const namespace of SYSTEM_NAMESPACES) {
        const words = ["--kubeconfig", kubeconfig, "create", "namespace", namespace];
        const made = spawnSync(join(bin, "kubectl"), words, { encoding: "utf8" });
        if (made.status !== 0 && !made.stderr.includes("AlreadyExists")) throw new Error(made.stderr.trim());
    }
}
