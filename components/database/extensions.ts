/** Extensions of PostgreSQL that apps ask for, and what a server must have for them. */

interface ExtensionFacts {
    /** Those that must be there before it: CloudNativePG creates them one by one, in the order given, and cascades nothing. */
    readonly after?: readonly PostgresExtension[];
    /** It is no part of CloudNativePG's own images. */
    readonly needsVectorChord?: true;
}

/** What an app may ask for. */
export type PostgresExtension = "cube" | "earthdistance" | "pg_trgm" | "unaccent" | "uuid-ossp" | "vchord" | "vector";

/** The rest is in the images of CloudNativePG: PostgreSQL's own contrib, and pgvector (`vector`). */
const FACTS: Readonly<Record<PostgresExtension, ExtensionFacts>> = {
    cube: {},
    earthdistance: { after: ["cube"] },
    pg_trgm: {},
    unaccent: {},
    "uuid-ossp": {},
    vector: {},
    vchord: { after: ["vector"], needsVectorChord: true },
};

/** The extensions and those that they build on, each once and after what it builds on. */
export function inOrder(asked: readonly PostgresExtension[]): PostgresExtension[] {
    const ordered: PostgresExtension[] = [];
    const place = (extension: PostgresExtension): void => {
        if (ordered.includes(extension)) return;
        for (const one of FACTS[extension].after ?? []) place(one);
        ordered.push(extension);
    };
    asked.forEach(place);
    return ordered;
}

/** Whether a server with these must have VectorChord's image, and its library loaded from the start. */
export const needVectorChord = (extensions: readonly PostgresExtension[]): boolean =>
    inOrder(extensions).some((extension) => FACTS[extension].needsVectorChord === true);
