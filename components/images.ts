/**
 * Every container image of the project: repository, tag and digest as three fields, so that Renovate can bump them
 * and a policy can see what is not pinned. Nothing else names an image.
 */

export interface Image {
    /** Registry and repository, without tag. */
    readonly repository: string;
    readonly tag: string;
    /** `sha256:` digest of the multi-platform index; absent only in `tagOnlyImages`. */
    readonly digest?: string;
}

const pinned = {
    echoServer: {
        repository: "ghcr.io/mendhak/http-https-echo",
        tag: "41",
        digest: "sha256:2046be25f4a2c0bdda662ebfb7c2b7b60fc95c31d97987be143645a8a2194a40",
    },
    cloudflared: {
        repository: "mirror.gcr.io/cloudflare/cloudflared",
        tag: "2026.8.2",
        digest: "sha256:0aa26e284f05e6c77ae375b8c9c11d9eb6a448fb7bcd8d40f31cb6176189eb38",
    },
    sonarr: {
        repository: "ghcr.io/home-operations/sonarr",
        tag: "4.0.19.3001",
        digest: "sha256:2fef93accb445aeb1773e454825ac903f7d66d9addfe045d56fff69ba8181c82",
    },
    radarr: {
        repository: "ghcr.io/home-operations/radarr",
        tag: "6.4.1.10545",
        digest: "sha256:260469d707617f4b5be1cd11a40be7e4889c63c5e7cdbc6a429626dc05863b6b",
    },
    prowlarr: {
        repository: "ghcr.io/home-operations/prowlarr",
        tag: "2.6.1.5509",
        digest: "sha256:ce5d6bdd5be6529f503df77aa9d2bad20239031d7c660406e8fb1c6d621dd020",
    },
    overseerr: {
        repository: "ghcr.io/sct/overseerr",
        tag: "1.34.0",
        digest: "sha256:4f38f58d68555004d3f487a4c5cbe2823e6a0942d946a25a2d9391d8492240a4",
    },
} as const satisfies Record<string, Image & { digest: string }>;

/** Images for which no digest with a named source was found. The one list of exceptions to "always by digest". */
export const tagOnlyImages = {
    plex: { repository: "lscr.io/linuxserver/plex", tag: "1.43.2" },
    transmission: { repository: "haugene/transmission-openvpn", tag: "5.4.1" },
    ksops: { repository: "viaductoss/ksops", tag: "v4.5.1" },
    tailscale: { repository: "ghcr.io/tailscale/tailscale", tag: "v1.102.3" },
    localPathProvisioner: { repository: "rancher/local-path-provisioner", tag: "v0.0.37" },
    localPathHelper: { repository: "docker.io/library/busybox", tag: "1.37.0" },
} as const satisfies Record<string, Image>;

export const images = { ...pinned, ...tagOnlyImages };

/** The reference a container runtime takes: `repository:tag@digest`. */
export function imageReference(image: Image): string {
    return `${image.repository}:${image.tag}${image.digest === undefined ? "" : `@${image.digest}`}`;
}
