/** A platform for tests of single workloads: every part of it shows what it was asked for. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Namespaces, type PodSecurity } from "../../components/cluster/namespaces";
import type { Database, DatabaseArgs, Databases } from "../../components/database/databases";
import type { Backend, Edge, Expose, Exposure } from "../../components/edge/edge";
import type { Platform } from "../../components/platform";
import { appsSchema, deployApps } from "../../lab/apps";
import type { SecretArgs, SecretStore } from "../../components/secrets/secret-store";
import type { ClaimArgs, SharedLibrary, Storage, Volume, VolumeRow } from "../../components/storage/volumes";

/** Makes a Secret of the names asked for, and keeps the questions. */
export class NamedSecrets implements SecretStore {
    readonly asked: SecretArgs[] = [];
    deliver(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        this.asked.push(args);
        const texts = Object.entries(args.templates ?? {}).map(([key, text]) => [key, text((ref) => `<${ref}>`)]);
        return new k8s.core.v1.Secret(
            name,
            {
                metadata: { name: args.name, namespace: args.namespace },
                type: args.type ?? "Opaque",
                stringData: { ...args.literals, ...Object.fromEntries(texts), ...args.data },
            },
            opts,
        ).metadata.name;
    }
    refer(name: string, args: SecretArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.deliver(name, args, opts);
    }
}

class NamedClaims implements Storage {
    readonly rows: VolumeRow[] = [];
    readonly owner = { uid: 1000, gid: 1001 };
    readonly scratchClass = pulumi.output("scratch");

    record(workload: string, mountPath: string, volume: Volume): void {
        this.rows.push({ workload, mountPath, kind: volume.kind, source: "test", survivesDestroy: false });
    }
    claim(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.pvc(name, args.workload, args, opts);
    }
    cache(name: string, args: ClaimArgs, opts: pulumi.CustomResourceOptions): pulumi.Output<string> {
        return this.pvc(`${name}-cache`, `${args.workload}-cache`, args, opts);
    }
    path(library: SharedLibrary): string {
        return `/${library}`;
    }
    library(library: SharedLibrary): k8s.types.input.core.v1.Volume {
        return { name: library, nfs: { server: "nas.example.net", path: `/export/${library}` } };
    }
    private pvc(resource: string, name: string, { namespace, size }: ClaimArgs, opts: pulumi.CustomResourceOptions) {
        const spec = { resources: { requests: { storage: size } } };
        return new k8s.core.v1.PersistentVolumeClaim(resource, { metadata: { name, namespace }, spec }, opts).metadata
            .name;
    }
}

class NamedRoutes implements Edge {
    readonly domain = "example.net";
    readonly exposures: Exposure[] = [];
    readonly backends: Backend[] = [];

    url(host: string): string {
        return `https://${host}.${this.domain}`;
    }
    expose(
        name: string,
        { host, access, auth = "none" }: Expose,
        backend: Backend,
        opts: pulumi.CustomResourceOptions | undefined,
    ): pulumi.Resource | undefined {
        this.backends.push(backend);
        const { workload, port, service, namespace } = backend;
        this.exposures.push({ workload, host: `${host}.${this.domain}`, access, auth, address: "10.0.0.1", port });
        if (opts === undefined) return undefined;
        return new k8s.apiextensions.CustomResource(
            name,
            { apiVersion: "test/v1", kind: "Route", metadata: { name, namespace }, spec: { service, port } },
            opts,
        );
    }
    dedicatedService(address: string, host: string, sharingKey?: string) {
        return {
            annotations: {
                "test/address": address,
                "test/host": host,
                ...(sharingKey === undefined ? {} : { "test/sharing": sharingKey }),
            },
            spec: { type: "LoadBalancer" },
        };
    }
}

class NamedDatabases implements Databases {
    postgres(_name: string, { database, more = [] }: DatabaseArgs): Database {
        return {
            host: pulumi.output("postgres.database"),
            port: 5432,
            name: database,
            more: Object.fromEntries(more.map((one) => [one, `${database}_${one}`])),
            user: database,
            password: { secret: pulumi.output(`${database}-postgres`), key: "password" },
        };
    }
}

export interface TestPlatform extends Platform {
    readonly secrets: NamedSecrets;
    readonly storage: NamedClaims;
    readonly edge: NamedRoutes;
}

/** Builds apps of the catalogue on a platform, from what would stand under `apps:`; with as many GPUs as they ask for. */
export function deploy(platform: Platform, apps: Record<string, unknown>): void {
    const gpus = Object.fromEntries(Object.keys(platform.gpus ?? {}).map((maker) => [maker, 9]));
    deployApps(appsSchema.parse(apps), { gpus }, () => platform);
}

/** Makes one; call it inside `planComponent`. */
export function testPlatform(
    levels: Readonly<Record<string, PodSecurity>>,
    exposed: readonly Exposure[] = [],
): TestPlatform {
    return {
        cluster: {
            name: "test",
            timezone: "America/Los_Angeles",
            kubeconfig: pulumi.secret("kubeconfig"),
            lan: "192.168.0.0/24",
            podCidr: "10.244.0.0/16",
            serviceCidr: "10.96.0.0/12",
        },
        opts: {},
        namespaces: new Namespaces("namespaces", levels, {}),
        storage: new NamedClaims(),
        secrets: new NamedSecrets(),
        edge: new NamedRoutes(),
        exposed: Promise.resolve(exposed),
        databases: new NamedDatabases(),
        gpus: { nvidia: { resource: "nvidia.com/gpu", runtimeClass: "nvidia" } },
        reloadAnnotations: { "reloader.stakater.com/auto": "true" },
    };
}
