import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chartDirectories, crdDirectory, localCrds } from "../../sandbox/chart-source";

let out: string;

beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), "sources-"));
});

afterEach(() => rmSync(out, { recursive: true }));

describe("CRD bundles", () => {
    test("come from the directory of real CRDs, else from the stand-ins; upstream's stay upstream's", () => {
        const crds = join(out, "given");
        mkdirSync(join(crds, "keda"), { recursive: true });
        writeFileSync(join(crds, "keda", "scaledobjects.keda.sh.yaml"), "kind: CustomResourceDefinition\n");
        const directory = crdDirectory({ charts: "stand-in", crds }, out);
        expect(readdirSync(directory?.("keda") ?? "")).toEqual(["scaledobjects.keda.sh.yaml"]);
        expect(readdirSync(directory?.("volsync") ?? "").sort()).toEqual([
            "replicationdestinations.volsync.backube.yaml",
            "replicationsources.volsync.backube.yaml",
        ]);
        expect(() => directory?.("nope")).toThrow('no stand-in CRDs for "nope"');
        expect(crdDirectory({ charts: "upstream" }, out)).toBeUndefined();
        expect(chartDirectories({ charts: "upstream" }, out, () => undefined)).toEqual({});
    });

    test("an address of one CRD gives that one, an address of a release the whole directory", () => {
        const directory = crdDirectory({ charts: "stand-in" }, out)?.("external-dns") ?? "";
        const base = "https://raw.githubusercontent.com/kubernetes-sigs/external-dns/v0.21.0";
        const one = join(directory, "dnsendpoints.externaldns.k8s.io.yaml");
        expect(localCrds(directory, [`${base}/dnsendpoints.externaldns.k8s.io.yaml`])).toEqual([one]);
        expect(localCrds(directory, [`${base}/externaldns.k8s.io_dnsendpoints.yaml`])).toEqual([one]);
        expect(localCrds(directory, [`${base}/install.yaml`, `${base}/more.yaml`])).toEqual([directory]);
    });
});
