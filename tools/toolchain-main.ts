/** `npm run tools`: gets every tool the sandbox needs and says where each came from. */
import { runMain } from "../lib/user-error";
import { resolveTools } from "../lib/toolchain";

runMain(async () => {
    const tools = await resolveTools({ onProgress: (line) => console.error(line) });
    for (const [name, { path, origin }] of Object.entries(tools))
        console.log(`${name.padEnd(24)} ${origin.padEnd(9)} ${path}`);
});
