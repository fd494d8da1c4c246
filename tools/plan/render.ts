/** A plan as text: the tree of resources in bootstrap order and the derived tables. */
import { frrConfiguration } from "../../components/network/router";
import { table } from "../../lib/table";
import type { ReleaseImages } from "./chart-images";
import type { Plan, PlannedResource } from "./plan";

export function renderPlan(plan: Plan, chartImages: readonly ReleaseImages[]): string {
    return [
        `Plan of ${plan.stack}: ${plan.resources.length} resources, in bootstrap order`,
        "",
        renderTree(plan),
        table(
            "Reachable",
            ["host", "address", "port", "access", "login", "workload"],
            plan.exposures.map((row) => [row.host, row.address, String(row.port), row.access, row.auth, row.workload]),
        ),
        table(
            "DNS records",
            ["name", "type", "content", "access", "kept by"],
            plan.dns.map((row) => [row.name, row.type, row.content, row.access, row.owner]),
        ),
        ...portNote(plan),
        table(
            "Tunnel rules",
            ["hostname", "service"],
            plan.tunnel.map((row) => [row.hostname ?? "(everything else)", row.service]),
        ),
        ...(plan.routes.length === 0
            ? []
            : [
                  table(
                      "Static routes for the router",
                      ["destination", "via"],
                      plan.routes.map((row) => [row.destination, row.via]),
                  ),
              ]),
        ...routerNotes(plan),
        ...(plan.notes === undefined ? [] : ["Notes", "", ...plan.notes.map((note) => `- ${note}`), ""]),
        ...(plan.kept === undefined
            ? []
            : [
                  table(
                      "Not Git's",
                      ["what", "area", "objects", "why"],
                      plan.kept.map((row) => [row.what, row.area ?? "", String(row.objects), row.why]),
                  ),
              ]),
        table(
            "Volumes",
            ["workload", "path", "kind", "source", "after destroy"],
            plan.volumes.map((row) => [
                row.workload,
                row.mountPath,
                row.kind,
                row.source,
                row.survivesDestroy ? "kept" : "gone",
            ]),
        ),
        table(
            "Images",
            ["image", "pinned", "used by"],
            plan.images.map((row) => [shortDigest(row.image), pinned(row), row.usedBy.join(", ")]),
        ),
        table(
            "Images of charts",
            ["release", "chart", "image", "pinned"],
            chartImages.flatMap(({ release, chart, version, images, unknown }) =>
                images === null
                    ? [[release, `${chart} ${version}`, `not known: ${unknown ?? ""}`, ""]]
                    : images.map((row) => [release, `${chart} ${version}`, shortDigest(row.image), pinned(row)]),
            ),
        ),
        ...(plan.unsupported.length === 0
            ? []
            : [
                  table(
                      "Versions that their projects do not support together",
                      ["release", "Kubernetes", "verdict", "source"],
                      plan.unsupported.map((row) => [row.release, row.kubernetes, row.verdict, row.source]),
                  ),
              ]),
    ].join("\n");
}

/** What a person must set on the router, the static routes aside. */
export function routerNotes({ peering, challenges }: Pick<Plan, "peering" | "challenges">): string[] {
    return [
        ...(peering === undefined
            ? []
            : [
                  "BGP neighbours for the router, in FRR's words (docs/cilium-gateway.md says where others have them)",
                  "",
                  ...frrConfiguration(peering)
                      .split("\n")
                      .map((line) => `    ${line}`),
                  "",
              ]),
        ...(challenges === undefined
            ? []
            : [
                  `Before Let's Encrypt gives a certificate it asks the host for it on port ${challenges.port}, ${challenges.hosts.length} in all: in public DNS each ` +
                      `leads to your house, and your router leads port ${challenges.port} to ${challenges.address}. Inside, each leads to ` +
                      `${challenges.address}, also for cert-manager, which asks first.\n`,
              ]),
    ];
}

/** What a person must type where records alone do not lead to the entrance. */
export function portNote({ exposures, dns }: Pick<Plan, "exposures" | "dns">): string[] {
    const records = new Set(dns.filter(({ type }) => type === "A").map(({ name }) => name));
    const behind = exposures.filter(
        ({ host, access, port }) => access !== "dedicated" && port !== 80 && port !== 443 && records.has(host),
    );
    const [first] = behind;
    const outside = exposures.some(({ access }) => access === "external");
    return first === undefined
        ? []
        : [
              `An A record says an address and no port: in the LAN ${first.host} is https://${first.host}:${first.port}, and so are ` +
                  `${behind.length - 1} others.${outside ? " What is external comes through the tunnel, without a port." : ""}\n`,
          ];
}

const shortDigest = (image: string) => image.replace(/@sha256:([0-9a-f]{12})[0-9a-f]*/, "@sha256:$1...");
const pinned = (row: { readonly pinned: boolean }) => (row.pinned ? "digest" : "tag only");

function renderTree(plan: Plan): string {
    const position = new Map(plan.order.map((urn, index) => [urn, index]));
    const children = new Map<string | null, PlannedResource[]>();
    for (const resource of plan.resources) {
        children.set(resource.parent, [...(children.get(resource.parent) ?? []), resource]);
    }
    const lines: string[] = [];
    const walk = (parent: string | null, depth: number) => {
        const here = (children.get(parent) ?? []).sort(
            (a, b) => (position.get(a.urn) ?? 0) - (position.get(b.urn) ?? 0),
        );
        for (const resource of here) {
            lines.push(`${"  ".repeat(depth)}${resource.name}  (${shortType(resource.type)})`);
            walk(resource.urn, depth + 1);
        }
    };
    walk(null, 0);
    return `${lines.join("\n")}\n`;
}

/** `kubernetes:apps/v1:Deployment` to `Deployment`, `homelab:edge:CloudflareDns` to `CloudflareDns`. */
function shortType(type: string): string {
    return type.split(":").at(-1) ?? type;
}
