/** How the command lines end. */
export { runMain, UserError } from "../lib/user-error";
