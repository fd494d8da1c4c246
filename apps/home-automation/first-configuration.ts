import type { WorkloadArgs } from "../../components/workload";

const GIVEN = "/etc/homelab";
const MAIN = "configuration.yaml";

/** Files for an app's first start, in its data at /config: `configuration.yaml` and what it includes. One that is there stays as it is. */
export const firstConfiguration = (files: { readonly [MAIN]: string } & Readonly<Record<string, string>>) => {
    const copy = (name: string) => `test -e /config/${name} || cp ${GIVEN}/${name} /config/${name}`;
    const included = Object.keys(files).filter((name) => name !== MAIN);
    // The main one last: where it is, the app has begun, perhaps without the others.
    const script = [
        ...(included.length === 0 ? [] : [`test ! -e /config/${MAIN} || exit 0`]),
        ...[...included, MAIN].map(copy),
    ];
    return {
        files: Object.fromEntries(Object.entries(files).map(([name, content]) => [`${GIVEN}/${name}`, content])),
        init: {
            configuration: {
                command: ["/bin/sh", "-ec", script.join("\n")],
                mounts: { "/config": "/config" },
            },
        },
    } satisfies Pick<WorkloadArgs, "files" | "init">;
};
