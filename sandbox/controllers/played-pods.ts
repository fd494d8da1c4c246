/**
 * Pods whose program matters: kwok would end them without a word (stages/pod.yaml leaves them out), so whoever knows the
 * answer ends them with it, as a container that writes its termination message.
 */
import type { Action, View } from "./controller";
import { timestamp } from "./custom-resources";
import type { Pod } from "./objects";

/** Labels of all of them. A pod that is not left out there ends without an answer before its controller sees it. */
export const PLAYED_PODS = [
    "postgres-archives",
    "ceph-remains",
    "longhorn-disks",
    "authentik-blueprints",
    "vault-setup",
    "vault-check",
    "vault-snapshot",
    "vault-save",
] as const;
export type PlayedPod = (typeof PLAYED_PODS)[number];

/** Whether a pod runs, and its label says that it is `one`. */
export function isPlayed({ metadata, status }: Pod, one: PlayedPod): boolean {
    return (
        metadata.labels?.["app.kubernetes.io/name"] === one &&
        metadata.deletionTimestamp === undefined &&
        status?.phase === "Running"
    );
}

/** Ends a pod well; its first container has said `message`. */
export function played(view: View, pod: Pod, message: string): Action[] {
    return ended(view, pod, message, true);
}

/** Ends a pod as one whose containers failed. */
export function failed(view: View, pod: Pod, message: string): Action[] {
    return ended(view, pod, message, false);
}

function ended(view: View, pod: Pod, message: string, well: boolean): Action[] {
    const { name, namespace = "" } = pod.metadata;
    const now = timestamp(view.now);
    const terminated = {
        ...(well ? { exitCode: 0, reason: "Completed" } : { exitCode: 1, reason: "Error" }),
        ...{ message, startedAt: now, finishedAt: now },
    };
    const notReady = { status: "False", reason: well ? "PodCompleted" : "PodFailed", lastTransitionTime: now };
    return [
        {
            verb: "patch",
            path: `/api/v1/namespaces/${namespace}/pods/${name}/status`,
            body: {
                status: {
                    phase: well ? "Succeeded" : "Failed",
                    conditions: [
                        { type: "Ready", ...notReady },
                        { type: "ContainersReady", ...notReady },
                    ],
                    containerStatuses: pod.spec.containers.map((container) => ({
                        name: container.name,
                        image: container.image,
                        imageID: "",
                        restartCount: 0,
                        ready: false,
                        started: false,
                        state: { terminated },
                    })),
                },
            },
        },
    ];
}
