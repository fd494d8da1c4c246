import { app, webApp } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { access } from "../app";

/** Documents edited in the browser, for Nextcloud. https://sdk.collaboraonline.com/docs/installation/CODE_Docker_image.html */
export const collabora = app({
    name: "collabora",
    title: "documents edited in the browser",
    namespace: "productivity",
    group: "apps",
    config: webApp({ host: "collabora", memory: "3Gi" }, { access: access("external") }),
    ports: { http: 9980 },
    reach: "external",
    // It shows nothing without the token that Nextcloud gave to who is signed in there.
    auth: {
        own: true,
        forward: "Nextcloud's page holds it in a frame, and it asks by tokens of Nextcloud's",
        preferred: "own",
    },
    provides: "office",
    beside: ["files"],
    requests: { cpu: "50m", memory: "512Mi" },
    // Each document is in a jail of its own, which it makes with these capabilities.
    podSecurity: "baseline",
    build: (platform, config, { main, partners }) => {
        // From both of Nextcloud's names a document may come: the one of people, and the one inside the cluster.
        const hosts = partners("files").flatMap(({ url, publicUrl }) => [
            ...(publicUrl === undefined ? [] : [publicUrl]),
            url,
        ]);
        const url = new URL(platform.edge.url(config.host, config.access));
        return new Workload(
            "collabora",
            {
                ...main,
                image: images.collabora,
                env: {
                    aliasgroup1: hosts.map(withPort).join(","),
                    server_name: url.host,
                    DONT_GEN_SSL_CERT: "true",
                    extra_params: `--o:ssl.enable=false --o:ssl.termination=${url.protocol === "https:"} --o:logging.level=warning`,
                },
                volumes: { "/tmp": scratch("2Gi") },
                health: { http: "/" },
                security: { user: 1001, writableRoot: true },
                patch: {
                    container: {
                        securityContext: {
                            allowPrivilegeEscalation: true,
                            capabilities: { drop: ["ALL"], add: ["CHOWN", "FOWNER", "MKNOD", "SYS_CHROOT"] },
                        },
                    },
                },
            },
            platform,
        );
    },
});

/** It compares origins with their ports. */
function withPort(url: string): string {
    const { protocol, hostname, port } = new URL(url);
    return `${protocol}//${hostname}:${port === "" ? (protocol === "https:" ? "443" : "80") : port}`;
}
