import { app, network, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { firstConfiguration } from "./first-configuration";

/**
 * What it starts with. Without the two lines below http it answers 400 to what comes through the edge; what a person makes in
 * its pages it writes to the included files, and reads for their lines alone. https://www.home-assistant.io/docs/automation/yaml/
 */
const beginning = (podCidr: string) => ({
    "automations.yaml": "[]\n",
    "scripts.yaml": "{}\n",
    "scenes.yaml": "[]\n",
    "configuration.yaml": `default_config:
automation: !include automations.yaml
script: !include scripts.yaml
scene: !include scenes.yaml
http:
  use_x_forwarded_for: true
  trusted_proxies:
    - ${podCidr}
`,
});

/** The house, seen and steered from one place. https://www.home-assistant.io/docs/configuration/ */
export const homeAssistant = app({
    name: "home-assistant",
    title: "the house, seen and steered from one place",
    namespace: "home-automation",
    group: "apps",
    config: webApp(
        { host: "home-assistant", memory: "2Gi" },
        {
            storage: storage("10Gi"),
            /** Devices that announce themselves are found in their own network only. */
            network,
        },
    ),
    ports: { http: 8123 },
    reach: "local",
    auth: { own: true, forward: "its app on telephones knows no other login", preferred: "own" },
    asks: [{ role: "mqtt", optional: true }],
    keeps: ["home-assistant"],
    mesh: "its one sign of life is an open port, which a proxy shows in its place",
    requests: { cpu: "50m", memory: "512Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "home-assistant",
            {
                ...main,
                image: images.homeAssistant,
                // Afterwards the files are the person's.
                ...firstConfiguration(beginning(platform.cluster.podCidr)),
                volumes: { "/config": data(config.storage), "/tmp": scratch() },
                health: { tcp: true },
                security: "owner",
            },
            platform,
        ),
});
