import { charts } from "./chart";
import type { Operator } from "../operator";

export const vault: Operator = { charts, controllers: ({ vault }) => [vault.controller] };
