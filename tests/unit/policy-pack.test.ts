/**
 * The policy pack as the engine runs it: the SDK's own runner started in policy/, the stack's name in its environment, and
 * the engine's calls over gRPC.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import * as analyzer from "@pulumi/pulumi/proto/analyzer_pb";
import * as service from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import { rules } from "../../policy/rules";
import type { Subject } from "../../policy/rules/rule";
import { recipePolicies, severityOf } from "../../policy/stacks";
import { planStack } from "../../tools/plan/plan";
import { readStackValue, ROOT } from "../../stacks/stack-file";
import { fixtures, resource, type Fixture } from "./policy-fixtures";

/** Wire forms of an unknown value and of a secret one. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const secret = (value: string) => ({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value });

class Pack {
    private constructor(
        private readonly child: ChildProcess,
        private readonly client: service.AnalyzerClient,
    ) {}

    static async start(stack: string): Promise<Pack> {
        const runner = require.resolve("@pulumi/pulumi/cmd/run-policy-pack");
        const child = spawn(process.execPath, [runner, "127.0.0.1:0", "."], {
            cwd: join(ROOT, "policy"),
            env: { ...process.env, PULUMI_NODEJS_STACK: stack },
            stdio: ["ignore", "pipe", "inherit"],
        });
        const port = await new Promise<string>((resolve, reject) => {
            child.on("exit", (code) => reject(new Error(`the pack ended with ${code}`)));
            child.stdout.once("data", (text: Buffer) => resolve(text.toString().trim()));
        });
        return new Pack(child, new service.AnalyzerClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure()));
    }

    stop(): void {
        this.client.close();
        this.child.kill();
    }

    async info(): Promise<analyzer.AnalyzerInfo.AsObject> {
        return (await call<analyzer.AnalyzerInfo>((done) => this.client.getAnalyzerInfo(new Empty(), done))).toObject();
    }

    /** What the engine asks before it makes a resource: rule and message of each violation. */
    async analyze(subject: Subject): Promise<Diagnostic[]> {
        const request = new analyzer.AnalyzeRequest();
        request.setUrn(subject.urn);
        request.setType(subject.type);
        request.setName(subject.name);
        request.setProperties(struct(subject));
        request.setOptions(new analyzer.AnalyzerResourceOptions());
        return diagnostics(await call((done) => this.client.analyze(request, done)));
    }

    /**
     * A preview of a stack whose cluster is not there yet: every resource by its inputs, and at the end all of them without
     * outputs, but for those of the stack itself.
     */
    async preview(subjects: readonly Subject[], exposures: Fixture["exposures"] = []): Promise<Diagnostic[]> {
        const byResource = await Promise.all(subjects.map((subject) => this.analyze(subject)));
        const request = new analyzer.AnalyzeStackRequest();
        request.setResourcesList(
            [...subjects.map((subject) => ({ ...subject, inputs: {} })), stackOutputs(exposures)].map((subject) => {
                const item = new analyzer.AnalyzerResource();
                item.setUrn(subject.urn);
                item.setType(subject.type);
                item.setName(subject.name);
                item.setProperties(struct(subject));
                item.setOptions(new analyzer.AnalyzerResourceOptions());
                return item;
            }),
        );
        const atTheEnd = await call<analyzer.AnalyzeResponse>((done) => this.client.analyzeStack(request, done));
        return [...byResource.flat(), ...diagnostics(atTheEnd)];
    }
}

interface Diagnostic {
    readonly rule: string;
    readonly level: "mandatory" | "advisory" | "other";
    readonly message: string;
    readonly urn: string;
}

function call<T>(send: (done: (error: grpc.ServiceError | null, answer: T) => void) => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
        send((error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
}

function struct({ inputs }: Subject): Struct {
    return Struct.fromJavaScript(inputs as Record<string, JavaScriptValue>);
}

function diagnostics(response: analyzer.AnalyzeResponse): Diagnostic[] {
    return response.getDiagnosticsList().map((item) => ({
        rule: item.getPolicyname(),
        level: LEVELS.get(item.getEnforcementlevel()) ?? "other",
        message: item.getMessage(),
        urn: item.getUrn(),
    }));
}

const LEVELS = new Map<number, "mandatory" | "advisory">([
    [analyzer.EnforcementLevel.MANDATORY, "mandatory"],
    [analyzer.EnforcementLevel.ADVISORY, "advisory"],
]);

/** Outputs of the stack itself, from which the pack knows what was declared. */
const stackOutputs = (exposures: NonNullable<Fixture["exposures"]>): Subject => ({
    urn: "urn:pulumi:test::homelab-infrastructure::pulumi:pulumi:Stack::homelab-infrastructure-test",
    type: "pulumi:pulumi:Stack",
    name: "homelab-infrastructure-test",
    inputs: { reachable: exposures.map((exposure) => ({ ...exposure })) },
});

// Three processes that load the SDK each, on a machine that may be busy.
jest.setTimeout(120_000);

const packs = new Map<string, Pack>();
const packOf = (stack: string): Pack => {
    const pack = packs.get(stack);
    if (pack === undefined) throw new Error(`no pack was started for ${stack}`);
    return pack;
};
beforeAll(async () => {
    for (const stack of ["homelab", "chongus", "elsewhere"]) packs.set(stack, await Pack.start(stack));
});
afterAll(() => packs.forEach((pack) => pack.stop()));

describe.each(["homelab", "chongus"])("on %s", (stack) => {
    const severity = (id: string) => {
        const rule = rules.find((one) => one.id === id);
        const policy = recipePolicies[stack];
        if (rule === undefined || policy === undefined) throw new Error(`no ${id} in ${stack}`);
        return severityOf(rule, policy);
    };

    test("it has every rule with the stack's severity", async () => {
        const { name, policiesList } = await packOf(stack).info();
        expect(name).toBe("homelab");
        const levels = { mandatory: "MANDATORY", advisory: "ADVISORY", off: "DISABLED" } as const;
        expect(policiesList.map((policy) => [policy.name, policy.enforcementlevel])).toEqual(
            rules.map(({ id }) => [id, analyzer.EnforcementLevel[levels[severity(id)]]]),
        );
    });

    test("a rule of one resource stops it before it is made, or tells, or is silent", async () => {
        for (const rule of rules.filter(({ scope }) => scope === "resource")) {
            const [fixture] = Object.values(fixtures[rule.id]?.breaks ?? {});
            const answers = await Promise.all(
                (fixture?.resources ?? []).map((subject) => packOf(stack).analyze(subject)),
            );
            const level = severity(rule.id);
            const expected = level === "off" ? [] : fixture?.parts.map(() => [rule.id, level]);
            const got = answers.flat().filter((diagnostic) => diagnostic.rule === rule.id);
            expect([rule.id, got.map((diagnostic) => [diagnostic.rule, diagnostic.level])]).toEqual([
                rule.id,
                expected,
            ]);
        }
    });

    test("its plan passes as it does without an engine", async () => {
        const { resources, exposures } = await planStack(stack, readStackValue(ROOT, stack), ROOT);
        const subjects = resources.map((subject) => ({ ...subject, inputs: onTheWire(subject.inputs) }));
        const answers = await packOf(stack).preview(
            subjects.filter(({ type }) => type !== "pulumi:pulumi:Stack"),
            exposures,
        );
        expect(answers.filter(({ level }) => level !== "advisory")).toEqual([]);
        expect(answers.filter(({ message }) => message.includes("can't run"))).toEqual([]);
    });
});

describe("on chongus", () => {
    test("rules over the whole stack name the resource, and take what is external from the stack's outputs", async () => {
        const policy = recipePolicies["chongus"] ?? { severity: {}, exemptions: [] };
        for (const rule of rules.filter((one) => one.scope === "stack" && severityOf(one, policy) !== "off")) {
            for (const { resources, exposures, parts } of Object.values(fixtures[rule.id]?.breaks ?? {})) {
                const answers = await packOf("chongus").preview(resources, exposures);
                expect(answers.map((diagnostic) => [diagnostic.rule, diagnostic.level])).toEqual(
                    parts.map(() => [rule.id, "mandatory"]),
                );
                expect(answers.every(({ urn }) => resources.some((subject) => subject.urn === urn))).toBe(true);
            }
            for (const { resources, exposures } of Object.values(fixtures[rule.id]?.keeps ?? {})) {
                expect(await packOf("chongus").preview(resources, exposures)).toEqual([]);
            }
        }
    });

    test("a value that only the update will know stops no rule, and no secret is told", async () => {
        const half = resource("kubernetes:core/v1:Secret", "app", {
            metadata: { name: "app", namespace: UNKNOWN },
            stringData: { token: secret("hunter2"), other: UNKNOWN },
        });
        const store = resource("kubernetes:external-secrets.io/v1:ClusterSecretStore", "doppler", {
            metadata: { name: "doppler" },
        });
        const answers = await packOf("chongus").preview([half, store]);
        expect(answers.map(({ rule, level }) => [rule, level])).toEqual([["literal-secret", "mandatory"]]);
        expect(JSON.stringify(answers)).not.toContain("hunter2");
        const command = resource("command:local:Command", "gate", { create: UNKNOWN, triggers: ["1", UNKNOWN] });
        expect(await packOf("chongus").analyze(command)).toEqual([]);
        const pod = resource("kubernetes:apps/v1:Deployment", "app", {
            metadata: { name: "app", namespace: "apps" },
            spec: UNKNOWN,
        });
        expect((await packOf("chongus").analyze(pod)).map(({ rule }) => rule)).toEqual(["name-label"]);
    });
});

test("an unknown stack is held to everything", async () => {
    const { policiesList } = await packOf("elsewhere").info();
    expect(new Set(policiesList.map(({ enforcementlevel }) => enforcementlevel))).toEqual(
        new Set([analyzer.EnforcementLevel.MANDATORY]),
    );
});

/** What a plan shows, as the engine would send it. */
function onTheWire(value: Subject["inputs"]): Subject["inputs"] {
    if (value === "[unknown]") return UNKNOWN;
    if (value === "[secret]") return secret("hunter2");
    if (Array.isArray(value)) return value.map(onTheWire);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, onTheWire(item)]));
}
