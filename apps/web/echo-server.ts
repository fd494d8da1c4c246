import { images } from "../../components/images";
import type { Platform } from "../../components/platform";
import { Workload } from "../../components/workload";

export interface EchoServerArgs {
    host: string;
    /** Memory limit, e.g. 128Mi. */
    memory: string;
}

/** Answers with the request it got: the proof that a name, the tunnel and the edge work. */
export const echoServer = (platform: Platform, args: EchoServerArgs) =>
    new Workload(
        "echo-server",
        {
            namespace: "apps",
            group: "apps",
            image: images.echoServer,
            ports: { http: 8080 },
            env: { HTTP_PORT: "8080", LOG_WITHOUT_NEWLINE: "true", DISABLE_REQUEST_LOGS: "false" },
            expose: { host: args.host, access: "external" },
            health: { http: "/" },
            cpu: "10m",
            memory: { request: "32Mi", limit: args.memory },
            security: { user: 1000 },
        },
        platform,
    );
