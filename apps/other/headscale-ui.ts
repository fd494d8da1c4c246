import { app, webApp } from "../app";
import { images } from "../../components/images";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

/** The page asks the API from the browser, which headscale allows from its own host alone: so the page's host has the API, too. */
const caddyfile = (headscale: string) => `{
	admin off
	auto_https off
	persist_config off
}

:8080 {
	handle /api/* {
		reverse_proxy ${headscale}
	}
	handle {
		redir / /web
		uri strip_prefix /web
		root * /web
		file_server
	}
}
`;

/** Devices and users of headscale on a page. It has no login: each browser holds an API key that a person made. */
export const headscaleUi = app({
    name: "headscale-ui",
    title: "devices and users of the tailnet on a page",
    namespace: "other",
    group: "apps",
    config: webApp({ host: "headscale-ui", memory: "128Mi" }, {}),
    ports: { http: 8080 },
    reach: "local",
    auth: { own: false, forward: { open: [] }, preferred: "forward" },
    asks: [{ role: "tailnet" }],
    requests: { cpu: "10m", memory: "32Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main, partners }) => {
        const headscale = partners("tailnet").map(({ url }) => url)[0] ?? "";
        return new Workload(
            "headscale-ui",
            {
                ...main,
                image: images.headscaleUi,
                command: ["caddy", "run", "--adapter", "caddyfile", "--config", "/etc/homelab/Caddyfile"],
                env: { HOME: "/tmp", XDG_DATA_HOME: "/tmp", XDG_CONFIG_HOME: "/tmp" },
                files: { "/etc/homelab/Caddyfile": caddyfile(new URL(headscale).host) },
                volumes: { "/tmp": scratch() },
                health: { http: "/web/" },
                security: "owner",
            },
            platform,
        );
    },
});
