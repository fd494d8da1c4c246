import { z } from "zod";
import { app, block } from "../app";
import { ipv4, label } from "../../config/fields";
import { awairExporters } from "../../components/monitoring/exporters";

/** The Service is named awair-<room>, and such a name has 63 characters at most. */
const room = label.refine((name) => name.length <= 57, {
    error: "lower-case letters, digits and inner dashes, at most 57",
});

/** Air quality, an exporter a room. https://github.com/rtrox/prometheus-awair-exporter */
export const awair = app({
    name: "awair",
    title: "air quality by room",
    namespace: "observability",
    group: "infra",
    config: block("64Mi", {
        /** Address of each room's sensor, with its local API switched on. */
        rooms: z.record(room, ipv4),
    }),
    ports: { http: 8080 },
    monitored: true,
    requests: { cpu: "10m", memory: "16Mi" },
    number: ({ rooms }) => Object.keys(rooms).length,
    podSecurity: "restricted",
    build: (platform, { rooms }, { main }) => awairExporters(platform, rooms, main),
});
