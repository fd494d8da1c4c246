import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { app, storage, webApp } from "../app";
import { deviceFile } from "../../config/fields";
import { images } from "../../components/images";
import { data, device } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { firstConfiguration } from "./first-configuration";
import { MQTT_USER } from "./mosquitto";

const NO_DEVICE = "apps.zigbee2mqtt.device names no coordinator, e.g. /dev/ttyUSB0";

/** A network of its own, instead of the one whose key everybody knows. In the environment it would be made anew at every start. */
const OWN_NETWORK = `version: 4
advanced:
  network_key: GENERATE
  pan_id: GENERATE
  ext_pan_id: GENERATE
`;

/** Zigbee's lamps and sensors as messages. https://www.zigbee2mqtt.io/guide/configuration/ */
export const zigbee2mqtt = app({
    name: "zigbee2mqtt",
    title: "Zigbee's lamps and sensors as messages",
    namespace: "home-automation",
    group: "apps",
    config: webApp(
        { host: "zigbee2mqtt", memory: "512Mi" },
        {
            storage: storage("1Gi"),
            /** The coordinator, a character device of the machine; absent: the app is left out, with a warning. */
            device: deviceFile.optional(),
            /** The coordinator's kind; absent: found out by the app. */
            adapter: z.enum(["zstack", "ember", "deconz", "zigate", "zboss"]).optional(),
            /** Group that the machine's device belongs to: dialout of Debian. */
            group: z.int({ error: "a group id such as 20" }).min(1).max(65534).default(20),
        },
    ),
    ports: { http: 8080 },
    reach: "local",
    auth: { own: false, forward: { open: [] }, preferred: "forward" },
    leftOut: ({ device: path }) => (path === undefined ? NO_DEVICE : undefined),
    asks: [{ role: "mqtt", apiKey: true }],
    devices: ({ device: path }) => (path === undefined ? [] : [path]),
    keeps: ["zigbee2mqtt"],
    requests: { cpu: "10m", memory: "128Mi" },
    // The device.
    podSecurity: "privileged",
    build: (platform, config, { main, partners }) => {
        if (config.device === undefined) throw new pulumi.RunError(NO_DEVICE);
        const [broker] = partners("mqtt");
        if (broker === undefined) throw new pulumi.RunError("zigbee2mqtt needs an MQTT broker, and there is none");
        new Workload(
            "zigbee2mqtt",
            {
                ...main,
                image: images.zigbee2mqtt,
                env: {
                    ZIGBEE2MQTT_DATA: "/config",
                    ZIGBEE2MQTT_CONFIG_MQTT_SERVER: broker.url.replace("http:", "mqtt:"),
                    ZIGBEE2MQTT_CONFIG_MQTT_USER: MQTT_USER,
                    ZIGBEE2MQTT_CONFIG_SERIAL_PORT: config.device,
                    ...(config.adapter === undefined ? {} : { ZIGBEE2MQTT_CONFIG_SERIAL_ADAPTER: config.adapter }),
                    ZIGBEE2MQTT_CONFIG_FRONTEND_ENABLED: "true",
                    ZIGBEE2MQTT_CONFIG_FRONTEND_PORT: "8080",
                    ZIGBEE2MQTT_CONFIG_HOMEASSISTANT_ENABLED: "true",
                },
                ...(broker.apiKey === undefined
                    ? {}
                    : { secrets: { ZIGBEE2MQTT_CONFIG_MQTT_PASSWORD: broker.apiKey } }),
                // Once: the keys that it then makes up are those that every paired device knows.
                ...firstConfiguration({ "configuration.yaml": OWN_NETWORK }),
                volumes: { "/config": data(config.storage), [config.device]: device(config.device) },
                health: { http: "/" },
                security: "devices",
                groups: [config.group],
            },
            platform,
        );
    },
});
