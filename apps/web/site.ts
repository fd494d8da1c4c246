/** A person's own web site, by an image that serves it. */
import { z } from "zod";
import { issuer, webApp } from "../app";
import { images, type Image } from "../../components/images";
import type { Platform } from "../../components/platform";
import { scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { spelled } from "../../config/fields";
import type { Given } from "../app";

/** The person's own: by digest, so that what is served changes when the file does. */
const ownImage = z.strictObject({
    /** Registry and repository, e.g. ghcr.io/somebody/portfolio. */
    repository: spelled(
        "an image's registry and repository without its tag, e.g. ghcr.io/somebody/portfolio",
        /^[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+$/,
    ).refine((repository) => Number(/:([0-9]+)\//.exec(repository)?.[1] ?? 1) <= 65535, {
        error: "an image's registry whose port is at most 65535",
    }),
    tag: spelled("an image's tag, e.g. 1.2.3", /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/),
    digest: spelled(
        'the image\'s digest, "sha256:" and 64 hexadecimal digits; "crane digest <repository>:<tag>" prints it',
        /^sha256:[0-9a-f]{64}$/,
    ),
});

/** Block of a site. */
export const site = (host: string) =>
    webApp(
        { host, memory: "128Mi" },
        {
            /** Serves plain HTTP at port 8080, not as root; absent: a page that says that the site is to come. */
            image: ownImage.optional(),
            issuer,
        },
    );

interface SiteConfig {
    readonly image?: Image | undefined;
}

/** At which a site's image serves. */
export const SITE_PORT = 8080;

/** What every site requests. */
export const SITE_REQUESTS = { cpu: "10m", memory: "32Mi" } as const;

const FOLDER = "/srv/site";

const toCome = (name: string) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${name}</title>
<p>This site is to come: its image is named under <code>apps.${name}.image</code>.</p>
</html>
`;

export function buildSite(name: string, platform: Platform, config: SiteConfig, main: Given["main"]): Workload {
    const { image } = config;
    return new Workload(
        name,
        {
            ...main,
            ...(image === undefined
                ? {
                      image: images.localPathHelper,
                      command: ["httpd", "-f", "-p", String(SITE_PORT), "-h", FOLDER],
                      files: { [`${FOLDER}/index.html`]: toCome(name) },
                  }
                : // Programs that ask where to listen are told; the others do it of themselves.
                  { image, env: { PORT: String(SITE_PORT) } }),
            volumes: { "/tmp": scratch() },
            health: { http: "/" },
            // A web server may keep files beside what it serves.
            security: { user: "owner", writableRoot: image !== undefined },
        },
        platform,
    );
}
