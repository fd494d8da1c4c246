/**
 * A Job, sent by a command, whose pod answers a question by its termination message. The command deletes it once the
 * answer is read; by itself it goes after an hour. `label`: of Job and pods, by which the command finds them.
 */
export function answeringJob<Pod extends object>(name: string, label: string, pod: Pod) {
    const labels = { "app.kubernetes.io/name": label };
    return {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name, labels },
        spec: {
            ttlSecondsAfterFinished: 3600,
            template: {
                metadata: { labels },
                spec: { restartPolicy: "OnFailure", automountServiceAccountToken: false, ...pod },
            },
        },
    };
}
