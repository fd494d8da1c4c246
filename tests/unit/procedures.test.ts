/** Procedures of the homelab's seed (001): the documents hold the steps, in the order in which they are safe. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { recipientsFor } from "../../components/secrets/sops-rules";
import { ROOT } from "../../stacks/stack-file";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const migration = read("docs/migration.md");

/** Headings of the second level, in order. */
const headings = (markdown: string) => [...markdown.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
/** What stands below a heading of the second level. */
function section(markdown: string, title: string): string {
    const [, after] = markdown.split(`\n## ${title}\n`);
    if (after === undefined) throw new Error(`no section "${title}"; there are ${headings(markdown).join(", ")}`);
    return after.split(/^## /m)[0] ?? "";
}
/** Items of a checklist by their first words, with what belongs to them. */
const checklist = () =>
    section(migration, "Before the wipe")
        .split(/^- \[ \] /m)
        .slice(1);
const item = (start: string): string => {
    const found = checklist().filter((text) => text.startsWith(`**${start}`));
    expect([start, found.length]).toEqual([start, 1]);
    return found[0] ?? "";
};
/** Contents of the shell blocks, indentation of a list taken off. */
const shell = (text: string) =>
    [...text.matchAll(/^( *)```sh\n([^]*?)^\1```/gm)].map(([, indent = "", block = ""]) =>
        block.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    );

describe("migration", () => {
    test("build, check, wipe, rebuild, clean up, in this order (H-OPS-02, H-OPS-03, H-OPS-05)", () => {
        expect(headings(migration)).toEqual([
            "Build the new beside the old",
            "Before the wipe",
            "Wipe",
            "Rebuild",
            "Clean up",
        ]);
        expect(section(migration, "Build the new beside the old")).toMatch(/`k8s\/argocd-homelab\/` .* beside the old/);
        expect(existsSync(join(ROOT, "k8s", "argocd-homelab"))).toBe(true);
        expect(shell(section(migration, "Wipe")).join("")).toContain("rm -rf /var/lib/rancher/k3s /etc/rancher/k3s\n");
        expect(section(migration, "Clean up")).toContain("`k8s/argocd/` and `k8s/terraform/`");
        for (const old of ["argocd", "terraform"]) expect(existsSync(join(ROOT, "k8s", old))).toBe(false);
    });

    test("nothing before the wipe takes anything away from the old cluster, and nothing ever from /var/data", () => {
        const [before = ""] = migration.split("\n## Wipe\n");
        expect(shell(before).join("")).not.toMatch(/\brm\b|systemctl|nixos-rebuild switch|--replicas=0/);
        expect(shell(migration).join("")).not.toMatch(/\b(rm|mv|mkfs\S*) [^\n]*\/var\/data/);
        expect(section(migration, "Wipe")).toContain("Never anything under `/var/data`.");
        const wipe = shell(section(migration, "Wipe")).join("");
        // A mount that is still there would lead rm into somebody's data.
        expect(wipe.indexOf("k3s-killall.sh")).toBeGreaterThan(wipe.indexOf("systemctl stop k3s"));
        expect(wipe.indexOf("rm -rf")).toBeGreaterThan(wipe.indexOf("k3s-killall.sh"));
    });

    test("rebuild: NixOS, this program, Argo CD (H-OPS-04)", () => {
        const steps = [...section(migration, "Rebuild").matchAll(/^(\d)\. (.*)$/gm)].map(([, , text]) => text);
        expect(steps).toEqual([
            expect.stringContaining("`nixos-rebuild switch`"),
            expect.stringContaining("`pulumi up`"),
            expect.stringMatching(/^Argo CD takes over/),
        ]);
    });
});

describe("checklist before the wipe", () => {
    test("secrets leave Azure Key Vault for SOPS (H-OPS-06)", () => {
        const text = item("Secrets: export them from Azure Key Vault to SOPS");
        for (const value of ["cloudflare.apiToken", "transmission.openvpnUsername", "transmission.openvpnPassword"]) {
            expect(text).toContain(`\`${value}\``);
        }
        expect(text).toMatch(/tunnel credentials \| not migrated/);
        const [commands = ""] = shell(text);
        expect(commands).toContain("az keyvault secret show");
        expect(commands).toContain("sops k8s/argocd-homelab/secrets.enc.yaml");
    });

    test("Plex' metadata is backed up with the seed's command (H-BKP-01)", () => {
        expect(shell(item("Plex: back up its metadata"))).toEqual([
            "tar -czf plex-backup-$(date +%F).tar.gz /var/data/configs/plex\n",
        ]);
    });

    test("the flags are updated on NixOS, in the file that the message names, but not applied yet (H-OPS-07, H-BOOT-14)", () => {
        const text = item("k3s: update its flags in the NixOS configuration");
        expect(text).toContain("`roles/k3s/default.nix`");
        expect(text).toContain("../bootstrap/nixos/k3s.nix");
        expect(existsSync(join(ROOT, "bootstrap", "nixos", "k3s.nix"))).toBe(true);
        expect(text).toContain("Only `nixos-rebuild build` for now");
        expect(read("README.md")).toContain("`roles/k3s/default.nix`");
    });

    test("SOPS is tried there and back with the homelab age key (H-OPS-08)", () => {
        const [commands = ""] = shell(item("SOPS: verify that encryption works with the homelab age key"));
        const [write = "", encrypt = "", decrypt = ""] = commands.trim().split("\n");
        const probe = /> (\S+)$/.exec(write)?.[1] ?? "";
        expect(encrypt).toBe(`sops encrypt --in-place ${probe}`);
        expect(decrypt).toBe(`SOPS_AGE_KEY="$(ssh root@homelab cat /var/lib/sops-nix/keys.txt)" sops decrypt ${probe}`);
        // The probe is encrypted by the very rule that the real files are.
        const rules = read(".sops.yaml");
        expect(recipientsFor(rules, probe)).toEqual(recipientsFor(rules, "k8s/argocd-homelab/secrets.enc.yaml"));
        expect(recipientsFor(rules, probe)).toHaveLength(1);
    });

    test("what is backed up can be put back where Plex' claim looks (H-BKP-02)", () => {
        // The archive's paths have lost their leading slash.
        const [restore = ""] = shell(section(migration, "Rebuild"));
        expect(restore.split("\n").map((line) => line.replace(/\d{4}-\d{2}-\d{2}/, "<date>"))).toEqual([
            "kubectl -n media scale deployment/plex --replicas=0",
            "tar -xzf plex-backup-<date>.tar.gz -C /",
            "kubectl -n media scale deployment/plex --replicas=1",
            "",
        ]);
        expect(section(migration, "Rebuild")).toContain("its claim is bound to `/var/data/configs/plex`");
    });
});

test("decisions on what the seed leaves open: kube-proxy, TLS on the LAN (H-BOOT-17, H-SEC-19)", () => {
    const decisions = read("docs/decisions.md");
    expect(decisions).toMatch(/\*\*Five flags.*`--disable-kube-proxy`/s);
    expect(decisions).toMatch(/\*\*No TLS on the LAN\.\*\*.*plain HTTP/s);
});

describe("every document", () => {
    const documents = [
        "README.md",
        "k8s/argocd-homelab/README.md",
        ...readdirSync(join(ROOT, "docs")).map((file) => `docs/${file}`),
    ].filter((path) => path.endsWith(".md"));

    test.each(documents)("%s: its links lead somewhere, its commands are ones that a shell can read", (path) => {
        const text = read(path);
        const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = ""]) => target);
        expect(links.filter((target) => !existsSync(join(ROOT, path, "..", target)))).toEqual([]);
        for (const commands of shell(text)) execFileSync("bash", ["-n"], { input: commands });
    });
});
