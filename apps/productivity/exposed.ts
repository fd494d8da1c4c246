import * as pulumi from "@pulumi/pulumi";
import type { Exposure } from "../../components/edge/edge";
import type { Platform } from "../../components/platform";

/** What a page is made of. Throws a `RunError` where nobody keeps the list: a page without it would be empty, without a word. */
export function exposedOn({ exposed }: Pick<Platform, "exposed">, page: string): Promise<readonly Exposure[]> {
    if (exposed === undefined) {
        throw new pulumi.RunError(`${page} shows everything that is reached, and on this platform nobody keeps a list`);
    }
    return exposed;
}
