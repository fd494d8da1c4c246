import { keyVariable, LIBRARY_FOLDERS, type Partner } from "../app";
import type { WiredApp, WiredFolder } from "../../components/media/wiring-plan";
import type { Platform } from "../../components/platform";

/** What files into a directory of the library. */
export type LibraryRole = keyof typeof LIBRARY_FOLDERS;

/** A partner as the programs see it that tell the media apps of each other. */
export const wired = (one: Partner): WiredApp => ({
    name: one.app,
    url: one.url,
    ...(one.apiKey === undefined ? {} : { key: keyVariable(one) }),
});

/** The same of those that file into the library. */
export const filing = (
    { storage }: Pick<Platform, "storage">,
    role: LibraryRole,
    partners: readonly Partner[],
): readonly WiredFolder[] =>
    partners.map((one) => ({ ...wired(one), folder: `${storage.path("media")}/${LIBRARY_FOLDERS[role]}` }));
