import { charts } from "./chart";
import { externalSecretsOperator as controller } from "./controller";
import type { Operator } from "../operator";

export const externalSecrets: Operator = {
    charts,
    controllers: ({ bitwarden, vault }) => [controller(bitwarden, vault)],
};
