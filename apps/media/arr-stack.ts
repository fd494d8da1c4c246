import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { app, block } from "../app";
import { NO_MESH, TUN_DEVICE, TUNNEL, VPN_REQUESTS, vpnPod, vpnSecrets } from "../../components/media/gluetun";
import { SharedPod } from "../../components/shared-pod";
import { vpn, vpnFaults } from "./vpn";

/** What it can hold; each is an app of its own, too, and keeps its block, its volume, its Service and its host. */
const HOLDS = [
    "qbittorrent",
    "sonarr",
    "radarr",
    "lidarr",
    "whisparr",
    "prowlarr",
    "jellyseerr",
    "flaresolverr",
] as const;

/** Apps in one pod that leaves by a VPN alone: what they load, and what they ask indexers and trackers. docs/media.md */
export const arrStack = app({
    name: "arr-stack",
    title: "qBittorrent and the apps around it in one pod, behind a VPN",
    namespace: "media",
    group: "media",
    config: block("256Mi", {
        vpn,
        /** The apps in its pod, those of them that are declared; one left out stands in a pod of its own, without the VPN. */
        holds: z
            .array(z.enum(HOLDS, { error: HOLDS.join(", ") }))
            .refine((names) => new Set(names).size === names.length, { error: "each app once" })
            .default([...HOLDS]),
    }),
    ports: {},
    asks: [{ role: "downloads", apiKey: true }],
    holds: ({ holds }) => holds,
    mustHold: "qbittorrent",
    tunnel: TUNNEL,
    traffic: "bulk-seed",
    mesh: NO_MESH,
    faults: vpnFaults,
    secrets: (config) => Object.values(vpnSecrets("arr-stack", config.vpn)),
    devices: () => [TUN_DEVICE],
    requests: VPN_REQUESTS.gluetun,
    helpers: { "pf-sync": VPN_REQUESTS["pf-sync"] },
    // The VPN's device and routes.
    podSecurity: "privileged",
    build: (platform, config, { main, held, partners }) => {
        const { memory, ...common } = main;
        const qbittorrent = held.find(({ app: name }) => name === "qbittorrent");
        const password = partners("downloads").find(({ app: name }) => name === "qbittorrent")?.apiKey;
        const [port] = Object.values(qbittorrent?.args.ports ?? {});
        if (password === undefined || port === undefined) {
            throw new pulumi.RunError("arr-stack holds no qbittorrent, which it is there for; add it under apps");
        }
        return new SharedPod(
            "arr-stack",
            {
                namespace: main.namespace,
                group: main.group,
                members: held.map(({ app: name, args }) => ({ name, args })),
                ...vpnPod({
                    name: "arr-stack",
                    vpn: config.vpn,
                    cluster: platform.cluster,
                    main: common,
                    memory: memory.limit,
                    ports: held.flatMap(({ args }) => Object.values(args.ports)),
                    qbittorrent: { port, password },
                }),
            },
            platform,
        );
    },
});
