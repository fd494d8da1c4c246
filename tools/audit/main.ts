/**
 * `npm run audit -- <stack> [--json] [--strict] [--import FILE [--undeclared PATTERN]]`: what is in zone, tunnel list,
 * tailnet and cluster that no stack declares, and what is declared and gone. Reads only.
 */
import { writeFileSync } from "node:fs";
import { stackNames } from "../../stacks";
import { commonOptions } from "../live/options";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { runMain, UserError } from "../../lib/user-error";
import { auditStack, type Audited } from "./audit";
import { adoptDeclared, adoptUndeclared, type Adoption } from "./import-file";
import { matching } from "./pattern";
import { auditJson, renderAudit } from "./render";

const USAGE =
    `usage: npm run audit -- ${stackNames(ROOT).join("|")} [--json] [--strict] [--import FILE [--undeclared PATTERN]] ` +
    `[--root DIR] [--timeout SECONDS]`;

runMain(async () => {
    const { stack, json, root, timeout, own } = commonOptions(process.argv.slice(2), {
        usage: USAGE,
        root: ROOT,
        flags: ["strict"],
        values: ["import", "undeclared"],
    });
    const [file, pattern] = [own.get("import"), own.get("undeclared")];
    if (pattern !== undefined && file === undefined)
        throw new UserError(`--undeclared goes with --import FILE; ${USAGE}`);
    const valueOf = (name: string) => readStackValue(root, name);
    const audited = await auditStack(stack, { root, env: process.env, timeout, valueOf });
    process.stdout.write(json ? `${JSON.stringify(auditJson(audited), null, 2)}\n` : renderAudit(audited));
    if (file !== undefined) writeImport(audited, file, pattern);
    const { undeclared, gone, adoptable } = audited.audit;
    if (audited.notLookedAt.length > 0) return 1;
    return own.has("strict") && undeclared.length + gone.length + adoptable.length > 0 ? 1 : 0;
});

function writeImport({ plan, audit, state }: Audited, file: string, pattern: string | undefined): void {
    if (state.kind === "not read") {
        throw new UserError(
            `--import needs the stack's state, or it would name what the stack has already: ${state.reason}. ` +
                `npm run doctor -- ${plan.stack}  says how to mend that.`,
        );
    }
    const urns = new Set(state.kind === "read" ? state.resources.map(({ urn }) => urn) : []);
    const chosen = audit.undeclared.filter(({ inState }) => !inState);
    const adoption =
        pattern === undefined
            ? adoptDeclared(plan, audit.adoptable, urns)
            : adoptUndeclared(plan, chosen.filter(matching(pattern)), urns);
    if (adoption.count === 0) {
        console.error(
            `${file} was not written: there is nothing to ${pattern === undefined ? "adopt" : `import that matches ${pattern}`}`,
        );
        return;
    }
    writeFileSync(file, `${JSON.stringify(adoption.file, null, 4)}\n`);
    console.error(instructions(plan.stack, file, adoption, pattern !== undefined));
}

function instructions(stack: string, file: string, { count, skipped, first }: Adoption, undeclared: boolean): string {
    const flags = undeclared ? "--out imported.ts" : "--protect=false --generate-code=false";
    return [
        `wrote ${file} with ${count} ${count === 1 ? "thing" : "things"}`,
        ...skipped.map(({ title, reason }) => `  without ${title}: ${reason}`),
        ...(first.length === 0
            ? []
            : [
                  "first, what the import reads through (the state has it not):",
                  `  pulumi up --stack ${stack} ${first.map((urn) => `\\\n    --target '${urn}'`).join(" ")}`,
              ]),
        "then",
        `  pulumi import --stack ${stack} --file ${file} ${flags}`,
        undeclared
            ? "  and put the code of imported.ts into the stack before the next up: until then the resources are protected"
            : `  pulumi preview --stack ${stack}   shows what of them differs from the program`,
    ].join("\n");
}
