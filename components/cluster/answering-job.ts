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

/**
 * Several objects as one text for kubectl. No `List`: for that the API server cannot check the fields, so kubectl asks for the schema
 * of every kind there is, which a small control plane with a hundred new definitions does not finish within kubectl's 32 seconds.
 */
export function documents(objects: readonly object[]): string {
    return objects.map((object) => JSON.stringify(object)).join("\n");
}
