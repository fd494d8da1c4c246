import { corePath, type View } from "./controller";
import type { Container, Pod, Secret } from "./objects";

/** The container of a pod whose image has that text in its name (not in its tag or digest). */
export function containerOf(pod: Pod, image: string): Container | undefined {
    // Sidecars that outlive their start are init containers.
    return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((container) =>
        imageName(container.image).includes(image),
    );
}

function imageName(image: string): string {
    const [withoutDigest = ""] = image.split("@");
    return withoutDigest.replace(/:[^/:]+$/, "");
}

/** A container's environment variable, from its value, its secret key or a secret taken whole; `undefined` when it has none. */
export async function variable(view: View, pod: Pod, container: Container, name: string): Promise<string | undefined> {
    const namespace = pod.metadata.namespace ?? "default";
    const own = (container.env ?? []).find((candidate) => candidate.name === name);
    if (own?.value !== undefined) {
        return own.value;
    }
    const reference = own?.valueFrom?.secretKeyRef;
    if (reference !== undefined) {
        return secretValue(view, namespace, reference.name, reference.key);
    }
    for (const { prefix = "", secretRef } of container.envFrom ?? []) {
        if (secretRef !== undefined && name.startsWith(prefix)) {
            const value = await secretValue(view, namespace, secretRef.name, name.slice(prefix.length));
            if (value !== undefined) {
                return value;
            }
        }
    }
    return undefined;
}

async function secretValue(view: View, namespace: string, name: string, key: string): Promise<string | undefined> {
    const secret = await view.get<Secret>(corePath("secrets", namespace, name));
    const encoded = secret?.data?.[key];
    return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString("utf8");
}
