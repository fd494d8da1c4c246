/** Where the command lines take the stacks' files from. */
export { PROJECT, readStackValue, ROOT, stackFile, TYPESCRIPT } from "../stacks/stack-file";
