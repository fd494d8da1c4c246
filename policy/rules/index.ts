/** The rules that every stack is held to, each as strictly as policy/stacks.ts says. */
import { dataRules } from "./data";
import { edgeRules } from "./edge";
import { gatewayRules } from "./gateways";
import { imageRules } from "./images";
import { nameRules } from "./names";
import { podRules } from "./pods";
import type { Rule } from "./rule";
import { sourceRules } from "./sources";

export const rules: readonly Rule[] = [
    ...imageRules,
    ...podRules,
    ...nameRules,
    ...edgeRules,
    ...gatewayRules,
    ...sourceRules,
    ...dataRules,
];
