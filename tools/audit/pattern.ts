/** Chooses things by their title, with * for anything: "A *.example.org", "ConfigMap media/*", "*". */
export function matching(pattern: string): (thing: { readonly title: string }) => boolean {
    const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const expression = new RegExp(`^${parts.join(".*")}$`, "i");
    return ({ title }) => expression.test(title);
}
