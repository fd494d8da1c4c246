/** The recipes: every file of this folder that exports one. */
import { join } from "node:path";
import { agreedBy } from "../config/agreed";
import { stackNamesIn } from "../config/stack-files";
import { stackOpener } from "../lab/recipe";
import { chongus } from "./chongus";
import { homelab } from "./homelab";
import { k3sHome } from "./k3s-home";
import { magi } from "./magi";
import { truenas } from "./truenas";

export type { OpenStack } from "../lab/recipe";

export const recipes = [homelab, chongus, truenas, k3sHome, magi] as const;

/** A stack by name with its parsed configuration. Throws `ConfigError` on an unknown recipe or a faulty value. */
export const openStack = stackOpener(recipes);

/** Names of the stacks whose files are in `root`, those called after a recipe first. */
export const stackNames = (root: string): string[] =>
    stackNamesIn(
        root,
        recipes.map(({ name }) => name),
    );

/** For who compares stacks. */
export const stacks = { names: stackNames, open: openStack, agreed: agreedBy(join(__dirname, "..")) };
