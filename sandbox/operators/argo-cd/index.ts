import { charts } from "./chart";
import type { Operator } from "../operator";

export const argoCd: Operator = { charts };
