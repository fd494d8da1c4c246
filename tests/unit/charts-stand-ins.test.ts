import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { charts as published } from "../../components/charts";
import { assembleCharts } from "../../sandbox/charts/assemble";
import { standInCrds } from "../../sandbox/charts/crds";
import { value } from "../../sandbox/charts/generator";
import { STAND_INS } from "../../sandbox/charts/stand-ins";

const SHARED = join(__dirname, "../../../shared");

let out: string;

beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), "charts-"));
});

afterEach(() => rmSync(out, { recursive: true }));

/** Projects whose CRDs a chart of the table or a bundle brings. */
const PROJECTS = [
    "prometheus-operator",
    "gateway-api",
    "envoy-gateway",
    "external-snapshotter",
    "cert-manager",
    "external-secrets",
    "external-dns",
    "keda",
    "rook",
    "ceph-csi-operator",
    "longhorn",
    "cloudnative-pg",
    "plugin-barman-cloud",
    "velero",
    "volsync",
    "flux-operator",
    "flux",
    "alloy",
    "node-feature-discovery",
    "intel-device-plugins",
    "istio",
    "metallb",
];

const crdFiles = (directory: string) => readdirSync(directory).sort();

test("every chart is laid out, with the CRDs it brings", () => {
    const directories = assembleCharts({ out });
    expect(Object.keys(directories).sort()).toEqual(
        Object.values(published)
            .map((chart) => chart.name)
            .sort(),
    );
    for (const [name, directory] of Object.entries(directories)) {
        expect((parse(readFileSync(join(directory, "Chart.yaml"), "utf8")) as { name: string }).name).toBe(name);
    }
    expect(crdFiles(join(out, "argo-cd/charts/crds/files/crds"))).toEqual([
        "applications.argoproj.io.yaml",
        "applicationsets.argoproj.io.yaml",
        "appprojects.argoproj.io.yaml",
    ]);
    expect(crdFiles(join(out, "kube-prometheus-stack/charts/crds/crds"))).toHaveLength(10);
    expect(crdFiles(join(out, "prometheus-operator-crds/charts/crds/files/crds"))).toHaveLength(10);
    // Cilium's operator registers its CRDs at run time.
    expect(existsSync(join(out, "cilium/files"))).toBe(false);
});

test("real CRDs take the place of the stand-ins, for the projects that have them", () => {
    const crds = join(out, "given");
    mkdirSync(join(crds, "argo-cd"), { recursive: true });
    writeFileSync(join(crds, "argo-cd", "applications.argoproj.io.yaml"), "real: true\n");
    assembleCharts({ out, crds });
    expect(crdFiles(join(out, "argo-cd/charts/crds/files/crds"))).toEqual(["applications.argoproj.io.yaml"]);
    expect(readFileSync(join(out, "argo-cd/charts/crds/files/crds/applications.argoproj.io.yaml"), "utf8")).toBe(
        "real: true\n",
    );
    expect(crdFiles(join(out, "kube-prometheus-stack/charts/crds/crds"))).toHaveLength(10);
    // Laid out again without them, nothing of them is left.
    assembleCharts({ out });
    expect(crdFiles(join(out, "argo-cd/charts/crds/files/crds"))).toHaveLength(3);
});

test("stand-in CRDs are asked for by project", () => {
    expect(standInCrds("cilium").map((crd) => crd.metadata.name)).toContain("ciliumloadbalancerippools.cilium.io");
    expect(() => standInCrds("nope")).toThrow(
        'no stand-in CRDs for "nope"; there are some for alloy, argo-cd, ceph-csi-operator, cert-manager',
    );
});

interface RealCrd {
    readonly spec: {
        readonly scope: string;
        readonly names: { readonly kind: string; readonly plural: string };
        readonly versions: readonly {
            readonly name: string;
            readonly served: boolean;
            readonly storage: boolean;
            readonly subresources?: { readonly status?: object };
        }[];
    };
}

const real = existsSync(join(SHARED, "crds"));
const skipped = real ? "" : " (skipped: they are not here)";
(real ? describe : describe.skip)(`against the real ones in ../shared${skipped}`, () => {
    test.each(["cilium", "argo-cd", ...PROJECTS])(
        "the stand-in CRDs of %s have the real names, scopes, versions and status subresources",
        (project) => {
            const facts = (crd: RealCrd) => [
                crd.spec.names.kind,
                crd.spec.names.plural,
                crd.spec.scope,
                crd.spec.versions.map(({ name, served, storage, subresources }) => [
                    name,
                    served,
                    storage,
                    subresources?.status !== undefined,
                ]),
            ];
            const directory = join(SHARED, "crds", project);
            const upstream = readdirSync(directory).map((file) =>
                facts(parse(readFileSync(join(directory, file), "utf8")) as RealCrd),
            );
            const own = standInCrds(project).map((crd) => facts(crd as unknown as RealCrd));
            expect(own.sort()).toEqual(upstream.sort());
        },
    );
});

describe("the charts of the table", () => {
    test("an expression keeps its type, a text around one stays text", () => {
        assembleCharts({ out });
        const objects = readFileSync(join(out, "cert-manager/templates/objects.yaml"), "utf8");
        expect(value("replicaCount")).toBe("<<<.Values.replicaCount | toJson>>>");
        // Go's own notation knows no hyphens.
        expect(value("node-exporter.replicas")).toBe("<<<(index .Values `node-exporter` `replicas`) | toJson>>>");
        expect(objects).toContain("replicas: {{ .Values.replicaCount | toJson }}\n");
        expect(objects).toContain('name: "{{ include `fullname` . }}-webhook"\n');
        expect(objects).not.toContain("<<<");
    });

    test("CRDs stand in a subchart with upstream's switch, and outlive the release where upstream's do", () => {
        assembleCharts({ out });
        const chart = parse(readFileSync(join(out, "cert-manager/Chart.yaml"), "utf8")) as object;
        expect(chart).toMatchObject({
            version: published.certManager.version,
            dependencies: [{ name: "crds", version: "0.0.0", condition: "crds.enabled" }],
        });
        const keep = "helm.sh/resource-policy: keep";
        const crd = (path: string) => readFileSync(join(out, path), "utf8");
        expect(crd("cert-manager/charts/crds/files/crds/issuers.cert-manager.io.yaml")).toContain(keep);
        expect(crd("cert-manager/charts/crds/templates/crds.yaml")).toContain("if not ($.Values.keep)");
        expect(crd("rook-ceph/charts/csi-crds/files/crds/drivers.csi.ceph.io.yaml")).not.toContain(keep);
        expect(crdFiles(join(out, "gateway-helm/charts/crds/crds"))).toContain(
            "gateways.gateway.networking.k8s.io.yaml",
        );
    });

    const DIRECTORIES: Readonly<Record<string, string>> = {
        base: "istio-base",
        gateway: "istio-gateway",
        loki: "loki-community",
    };
    const upstream = (name: string) => join(SHARED, "charts", DIRECTORIES[name] ?? name, "values.yaml");
    test.each(Object.keys(STAND_INS).filter((name) => existsSync(upstream(name))))(
        "every value of the stand-in %s is one of upstream's",
        (name) => {
            const theirs = parse(readFileSync(upstream(name), "utf8"), { merge: true }) as Record<string, unknown>;
            // Istio's charts have their defaults below a key of their own.
            const known = theirs["_internal_defaults_do_not_set"] ?? theirs;
            expect(strangers(STAND_INS[name]?.values, known, SUBCHART_KEYS)).toEqual([]);
        },
    );
});

/** Keys that upstream takes from a chart it depends on, whose values.yaml is not at hand. */
const SUBCHART_KEYS = /^(grafana|kube-state-metrics|prometheus-node-exporter)\./;

/** Paths that `own` has and `upstream` lacks; below an upstream value that is empty anything goes. */
function strangers(own: unknown, upstream: unknown, allowed: RegExp, path = ""): string[] {
    if (!isMap(own) || !isMap(upstream) || Object.keys(upstream).length === 0) {
        return [];
    }
    return Object.entries(own).flatMap(([key, value]) => {
        const here = path === "" ? key : `${path}.${key}`;
        if (!(key in upstream)) {
            return allowed.test(here) ? [] : [here];
        }
        return strangers(value, upstream[key], allowed, here);
    });
}

function isMap(value: unknown): value is Record<string, unknown> {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
