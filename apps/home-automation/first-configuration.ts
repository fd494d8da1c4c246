import type { WorkloadArgs } from "../../components/workload";

const FIRST = "/etc/homelab/configuration.yaml";

/** A configuration for an app's first start, in its data at /config; a file that is there stays as it is. */
export const firstConfiguration = (content: string) =>
    ({
        files: { [FIRST]: content },
        init: {
            configuration: {
                command: [
                    "/bin/sh",
                    "-ec",
                    `test -e /config/configuration.yaml || cp ${FIRST} /config/configuration.yaml`,
                ],
                mounts: { "/config": "/config" },
            },
        },
    }) satisfies Pick<WorkloadArgs, "files" | "init">;
