/** Torrents that stay for long, each pod with a VPN, a volume and a directory of its own, and unknown to the other apps. */
import { app, storage, webApp } from "../app";
import { NO_MESH, TUN_DEVICE, TUNNEL, VPN_REQUESTS, vpnPod, vpnSecrets } from "../../components/media/gluetun";
import { SharedPod } from "../../components/shared-pod";
import { qbittorrentWorkload } from "./qbittorrent";
import { vpn, vpnFaults } from "./vpn";

const longTerm = <const N extends string>(name: N) =>
    app({
        name,
        title: "torrents that are kept for long, behind a VPN of their own",
        namespace: "media",
        group: "media",
        config: webApp({ host: name, memory: "2Gi" }, { storage: storage("1Gi"), vpn }),
        ports: { http: 8080 },
        reach: "local",
        auth: { own: true, forward: { open: [] }, preferred: "own" },
        tunnel: TUNNEL,
        traffic: "bulk-seed",
        mesh: NO_MESH,
        faults: vpnFaults,
        secrets: (config) => [`${name}.password`, ...Object.values(vpnSecrets(name, config.vpn))],
        libraries: ["downloads"],
        devices: () => [TUN_DEVICE],
        keeps: [name],
        requests: { cpu: "100m", memory: "256Mi" },
        helpers: VPN_REQUESTS,
        // The VPN's device and routes.
        podSecurity: "privileged",
        build: (platform, config, { main, tunnel }) => {
            const password = `${name}.password`;
            return new SharedPod(
                name,
                {
                    namespace: main.namespace,
                    group: main.group,
                    members: [
                        {
                            name,
                            container: "qbittorrent",
                            args: qbittorrentWorkload(platform, {
                                main,
                                storage: config.storage,
                                password,
                                tunnel,
                                directory: name,
                            }),
                        },
                    ],
                    ...vpnPod({
                        name,
                        vpn: config.vpn,
                        cluster: platform.cluster,
                        main,
                        memory: "256Mi",
                        ports: Object.values(main.ports),
                        qbittorrent: { port: 8080, password },
                    }),
                },
                platform,
            );
        },
    });

export const arrLts = longTerm("arr-lts");
export const arrLts2 = longTerm("arr-lts2");
