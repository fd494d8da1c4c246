/** Shares one bandwidth among all pods of a class: each node's instance writes the share of the pods on its node. */
import { readFileSync } from "node:fs";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
export const ANNOTATION = "kubernetes.io/egress-bandwidth";

/** What to write: pods of this node that do not have their share yet. `pods` are those of the class in the whole cluster. */
export function changes(pods, { node, rate, ceil }) {
    const sending = pods.filter(
        ({ metadata, spec, status }) =>
            metadata.deletionTimestamp === undefined &&
            spec.hostNetwork !== true &&
            !["Succeeded", "Failed"].includes(status?.phase),
    );
    if (sending.length === 0) return [];
    const share = String(Math.min(ceil, Math.floor(rate / sending.length)));
    return sending
        .filter(({ spec }) => spec.nodeName === node)
        .filter(({ metadata }) => metadata.annotations?.[ANNOTATION] !== share)
        .map(({ metadata: { namespace, name } }) => ({ namespace, name, share }));
}

/** One pass over the API server. */
export async function pass(api, settings, fetched = fetch) {
    const ask = async (path, options = {}) => {
        const token = readFileSync(`${api.account}/token`, "utf8").trim();
        const answer = await fetched(`${api.url}${path}`, {
            ...options,
            headers: { authorization: `Bearer ${token}`, ...options.headers },
        });
        // A pod that has gone meanwhile sends nothing.
        if (answer.status === 404 && options.method === "PATCH") return undefined;
        if (!answer.ok) throw new Error(`${options.method ?? "GET"} ${path}: ${answer.status} ${await answer.text()}`);
        return answer.json();
    };
    const { items } = await ask(`/api/v1/pods?labelSelector=${encodeURIComponent(settings.selector)}`);
    const wanted = changes(items, settings);
    for (const { namespace, name, share } of wanted) {
        await ask(`/api/v1/namespaces/${namespace}/pods/${name}`, {
            method: "PATCH",
            headers: { "content-type": "application/merge-patch+json" },
            body: JSON.stringify({ metadata: { annotations: { [ANNOTATION]: share } } }),
        });
        console.log(`${namespace}/${name}: ${share} bits per second`);
    }
    return wanted.length;
}

if (process.env.RUN === "egress-qos") {
    const { NODE_NAME: node, RATE, CEIL, SELECTOR: selector } = process.env;
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
    const settings = { node, rate: Number(RATE), ceil: Number(CEIL), selector };
    for (;;) {
        // A pass that fails ends the container, so that the pod shows it.
        await pass({ url: `https://${host}:${port}`, account: ACCOUNT }, settings);
        await new Promise((done) => setTimeout(done, 10_000));
    }
}
