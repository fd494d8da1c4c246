/** The simulated programs of a Docker host: `node docker-host.cjs <root> <bin> ssh|docker|k3d <arguments>`. */
import { docker } from "./docker";
import { k3d } from "./k3d";
import { Refused } from "./refused";
import { ssh } from "./ssh";
import { DockerHostState } from "./state";

async function main([root = "", bin = "", program = "", ...args]: readonly string[]): Promise<void> {
    const host = new DockerHostState(root);
    host.record(program, args);
    const said =
        program === "docker"
            ? docker(host, bin, args)
            : program === "k3d"
              ? await k3d(host, bin, args)
              : ssh(host, args);
    if (said !== "") process.stdout.write(`${said}\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.code;
});
