import { app, webApp } from "../app";
import { images } from "../../components/images";
import { Workload } from "../../components/workload";

/** Answers with the request it got: the proof that a name, the tunnel and the edge work. */
export const echoServer = app({
    name: "echo-server",
    title: "shows that a name, the tunnel and the edge work",
    namespace: "apps",
    group: "apps",
    config: webApp({ host: "echo-server", memory: "128Mi" }, {}),
    ports: { http: 8080 },
    reach: "external",
    // Whoever asks is told what he asked, and there is nothing else in it.
    auth: { own: false, forward: { open: [] }, preferred: "none" },
    requests: { cpu: "10m", memory: "32Mi" },
    podSecurity: "restricted",
    build: (platform, _config, { main }) =>
        new Workload(
            "echo-server",
            {
                ...main,
                image: images.echoServer,
                env: { HTTP_PORT: "8080", LOG_WITHOUT_NEWLINE: "true", DISABLE_REQUEST_LOGS: "false" },
                health: { http: "/" },
                security: { user: 1000 },
            },
            platform,
        ),
});
