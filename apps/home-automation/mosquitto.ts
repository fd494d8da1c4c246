import { hostLabel } from "../../config/fields";
import { address, app, block, network, storage } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

/** Who may publish and subscribe: one user for the household's programs. */
export const MQTT_USER = "household";

const PASSWORD = "mosquitto.password";
const PASSWORDS = "/mosquitto/secret";

/** Hashed in place: the password stands in no list of processes. The program would cut it at a colon, and trim it, without a word. */
const HASH = `case "$MQTT_PASSWORD" in
  "" | *:* | [[:space:]]* | *[[:space:]])
    echo "${PASSWORD} in the secret store must not be empty, have a colon, or begin or end with a blank: mosquitto would take something else for it. Choose another." >&2
    exit 1 ;;
esac
umask 077
file=${PASSWORDS}/passwords
printf '${MQTT_USER}:%s\\n' "$MQTT_PASSWORD" > "$file"
mosquitto_passwd -U "$file"
`;

/** https://mosquitto.org/man/mosquitto-conf-5.html */
const CONFIGURATION = `listener 1883
allow_anonymous false
password_file ${PASSWORDS}/passwords
persistence true
persistence_location /mosquitto/data/
log_dest stdout
`;

/** Messages between the house's devices and programs. */
export const mosquitto = app({
    name: "mosquitto",
    title: "messages between the devices of the house (MQTT)",
    namespace: "home-automation",
    group: "apps",
    config: block("128Mi", {
        storage: storage("1Gi"),
        /** Name of the address. */
        host: hostLabel.default("mqtt"),
        /** Devices of the house reach it here; absent: the cluster's own programs alone do, and who is in its network. */
        address,
        /** On a host of containers: a card in the devices' network. */
        network,
    }),
    ports: { mqtt: 1883 },
    speaks: "tcp",
    auth: { own: true, forward: "devices speak to it, by no HTTP", preferred: "own" },
    provides: "mqtt",
    apiKey: PASSWORD,
    secrets: [PASSWORD],
    keeps: ["mosquitto"],
    mesh: "its one sign of life is an open port, which a proxy shows in its place",
    requests: { cpu: "10m", memory: "16Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "mosquitto",
            {
                ...main,
                image: images.mosquitto,
                command: ["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"],
                secrets: { MQTT_PASSWORD: PASSWORD },
                files: { "/mosquitto/config/mosquitto.conf": CONFIGURATION },
                volumes: {
                    "/mosquitto/data": data(config.storage),
                    [PASSWORDS]: scratch("1Mi"),
                    "/tmp": scratch("1Mi"),
                },
                init: {
                    passwords: {
                        command: ["/bin/sh", "-ec", HASH],
                        // What mosquitto_passwd writes is in /tmp until it is whole.
                        mounts: { [PASSWORDS]: PASSWORDS, "/tmp": "/tmp" },
                    },
                },
                health: { tcp: true },
                security: "owner",
            },
            platform,
        ),
});
