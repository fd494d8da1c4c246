/** The checklist for people. */
import { PARTS, type Move, type Step } from "./steps";

const MARKS: Readonly<Record<Step["verdict"], string>> = { done: "[x]", todo: "[ ]", unseen: "[?]" };

/** Every step; what to do stands below the first that is not done, and below what only a person can see before it. */
export function renderChecklist({ app, from, to }: Pick<Move, "app" | "from" | "to">, steps: readonly Step[]): string {
    const next = steps.findIndex(({ verdict }) => verdict === "todo");
    const lines = steps.flatMap(({ part, title, verdict, found, fix, back = [] }, index) => [
        ...(part === steps[index - 1]?.part ? [] : [`${part}. ${PARTS[part - 1] ?? ""}`]),
        `  ${MARKS[verdict]} ${title}: ${found}`,
        ...(next === -1 || index <= next ? [...fix, ...back].map((line) => `         ${line}`) : []),
    ]);
    const open = steps.filter(({ verdict }) => verdict === "todo").length;
    const unseen = steps.filter(({ verdict }) => verdict === "unseen").length;
    return [
        `Move of ${app} from ${from.stack} to ${to.stack}: nothing was changed`,
        "",
        ...lines,
        "",
        open > 0
            ? `${open} to do, the next is: ${steps[next]?.title ?? ""}. Then run this again.`
            : unseen > 0
              ? `done as far as it can be seen; ${unseen} not looked at: [?] is for you to look`
              : "done",
        "",
    ].join("\n");
}
