/** The simulated programs of a Docker host: `node docker-host.cjs <root> <bin> ssh|docker|k3d <arguments>`. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { docker, type Client } from "./docker";
import { k3d } from "./k3d";
import { Refused } from "./refused";
import { ssh } from "./ssh";
import { DockerHostState } from "./state";

async function main([root = "", bin = "", program = "", ...args]: readonly string[]): Promise<void> {
    const host = new DockerHostState(root);
    host.record(program, args);
    const client: Client = {
        host,
        bin,
        env: process.env,
        ssh: (words) => spawnSync("ssh", words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }),
    };
    const said =
        program === "docker"
            ? docker(client, args)
            : program === "k3d"
              ? await k3d(client, args)
              : ssh(host, args, () => readFileSync(0, "utf8"));
    if (said !== "") process.stdout.write(`${said}\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.code;
});
