import * as grpc from "@grpc/grpc-js";
import { PluginAttach } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderClient, ResourceProviderService as service } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { startProviders, type RunningProviders } from "../../sandbox/providers";
import { InitError, type Plugin, type Session } from "../../sandbox/providers/plugin";
import { serve, type RunningPlugin } from "../../sandbox/providers/server";
import { isSecret, secret, text, type Props } from "../../sandbox/providers/values";
import { readStruct, writeStruct } from "../../sandbox/providers/wire";

/** Calls a method of the service and yields the answer, or throws the ServiceError. */
function call<Req, Res>(
    client: ResourceProviderClient,
    method: grpc.MethodDefinition<Req, Res>,
    request: Req,
): Promise<Res> {
    const { path, requestSerialize, responseDeserialize } = method;
    return new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) =>
            error === null && response !== undefined ? resolve(response) : reject(error ?? new Error("no answer")),
        );
    });
}

const dial = (port: number | undefined) =>
    new ResourceProviderClient(`127.0.0.1:${port ?? 0}`, grpc.credentials.createInsecure(), {
        // Otherwise channels to one address share a connection, which the engine's do not.
        "grpc.use_local_subchannel_pool": 1,
    });

const versions = { kubernetes: "4.0.0", command: "1.0.0", random: "4.21.2", cloudflare: "6.0.0", tailscale: "0.29.1" };

describe("a stand-in on the wire", () => {
    let running: RunningProviders;
    let client: ResourceProviderClient;
    beforeAll(async () => {
        running = await startProviders(["random", "command"], {
            env: { PATH: process.env["PATH"] },
            versions,
            helm: "helm",
        });
        client = dial(running.ports["random"]);
    });
    afterAll(async () => {
        client.close();
        await running.stop();
    });
    const type = "random:index/randomPassword:RandomPassword";

    test("accepts secrets, and reports the version that is pinned", async () => {
        const shake = await call(
            client,
            service.handshake,
            new rpc.ProviderHandshakeRequest().setEngineAddress("127.0.0.1:1"),
        );
        expect(shake.getAcceptSecrets()).toBe(true);
        expect(shake.getAcceptOutputs()).toBe(false);
        await call(client, service.attach, new PluginAttach().setAddress("127.0.0.1:1"));
        expect((await call(client, service.getPluginInfo, new Empty())).getVersion()).toBe("4.21.2");
    });

    test("refuses resources before it is configured", async () => {
        const request = new rpc.CheckRequest().setType(type).setNews(writeStruct({ length: 8 }));
        const other = dial(running.ports["random"]);
        await expect(call(other, service.check, request)).rejects.toMatchObject({ code: grpc.status.UNKNOWN });
        other.close();
    });

    test("checks, creates and diffs", async () => {
        await call(client, service.configure, new rpc.ConfigureRequest());
        const checked = await call(
            client,
            service.check,
            new rpc.CheckRequest().setType(type).setNews(writeStruct({ length: 8 })),
        );
        expect(checked.getFailuresList()).toEqual([]);
        const request = new rpc.CreateRequest().setType(type).setProperties(checked.getInputs());
        const created = readStruct((await call(client, service.create, request)).getProperties());
        expect(isSecret(created["result"])).toBe(true);
        const news = writeStruct({ length: 9 });
        const diff = await call(
            client,
            service.diff,
            new rpc.DiffRequest()
                .setType(type)
                .setOlds(writeStruct(created))
                .setOldInputs(writeStruct({ length: 8 }))
                .setNews(news),
        );
        expect(diff.getChanges()).toBe(rpc.DiffResponse.DiffChanges.DIFF_SOME);
        expect(diff.getReplacesList()).toEqual(["length"]);
        expect(diff.getDetaileddiffMap().get("length")?.getKind()).toBe(rpc.PropertyDiff.Kind.UPDATE_REPLACE);
    });

    test("an error tells none of the request's secrets", async () => {
        const commands = dial(running.ports["command"]);
        await call(commands, service.configure, new rpc.ConfigureRequest());
        const inputs: Props = { create: 'echo "$TOKEN"; exit 1', environment: { TOKEN: secret("very-secret") } };
        const request = new rpc.CreateRequest()
            .setType("command:local:Command")
            .setName("c")
            .setProperties(writeStruct(inputs));
        await expect(call(commands, service.create, request)).rejects.toMatchObject({
            details: 'exit status 1: running "echo \\"$TOKEN\\"; exit 1":\n[secret]\n',
        });
        commands.close();
    });
});

describe("a process of its own", () => {
    const env = { PATH: process.env["PATH"] };
    const gone = async (pid: number | undefined) => {
        for (let waited = 0; waited < 5_000; waited += 50) {
            try {
                process.kill(pid ?? 0, 0);
            } catch {
                return true;
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return false;
    };

    test("ends when it is stopped, and nobody is told of a death", async () => {
        const deaths: string[] = [];
        const onDeath = (how: string) => deaths.push(how);
        const running = await startProviders(["random"], { env, versions, helm: "helm", onDeath });
        await running.stop();
        expect([await gone(running.pid), deaths]).toEqual([true, []]);
    });

    test("all stand-ins are one process; killed, it is told of", async () => {
        let tell: (death: string) => void = () => undefined;
        const death = new Promise<string>((resolve) => (tell = resolve));
        const onDeath = (how: string) => tell(how);
        const running = await startProviders(["random", "command"], { env, versions, helm: "helm", onDeath });
        const client = dial(running.ports["command"]);
        try {
            expect(Object.keys(running.ports)).toEqual(["random", "command"]);
            expect((await call(client, service.getPluginInfo, new Empty())).getVersion()).toBe("1.0.0");
            process.kill(running.pid ?? 0, "SIGKILL");
            expect(await death).toBe("SIGKILL");
            await expect(call(client, service.getPluginInfo, new Empty())).rejects.toThrow();
        } finally {
            client.close();
            await running.stop();
        }
    });
});

describe("connections", () => {
    let running: RunningPlugin;
    const plugin: Plugin = {
        configure: (config) => {
            const session: Partial<Session> = {
                invoke: () => Promise.resolve({ from: text(config, "name") ?? "" }),
                create: () =>
                    Promise.reject(
                        new InitError("not ready: hush-hush", "ns/a", { live: 1 }, ["why hush-hush"], { said: 1 }),
                    ),
                read: () => Promise.resolve(undefined),
            };
            return Promise.resolve(session as Session);
        },
    };
    beforeAll(async () => {
        running = await serve(plugin, "1.2.3", () => undefined);
    });
    afterAll(() => running.stop());

    test("each keeps its own configuration, as each provider resource has its own", async () => {
        const [one, two] = [dial(running.port), dial(running.port)];
        const configure = (client: ResourceProviderClient, name: string) =>
            call(client, service.configure, new rpc.ConfigureRequest().setArgs(writeStruct({ name })));
        await configure(one, "one");
        await configure(two, "two");
        const from = async (client: ResourceProviderClient) =>
            readStruct((await call(client, service.invoke, new rpc.InvokeRequest().setTok("t"))).getReturn())["from"];
        expect([await from(one), await from(two), await from(one)]).toEqual(["one", "two", "one"]);
        one.close();
        two.close();
    });

    test("a resource that is not ready goes into the state with its reasons; a missing one has no id", async () => {
        const client = dial(running.port);
        await call(
            client,
            service.configure,
            new rpc.ConfigureRequest().setArgs(writeStruct({ key: secret("hush-hush") })),
        );
        const error = await call(client, service.create, new rpc.CreateRequest()).catch(
            (caught: grpc.ServiceError) => caught,
        );
        const [details] = (error as grpc.ServiceError).metadata.get("grpc-status-details-bin");
        const [any] = Status.deserializeBinary(new Uint8Array(details as Buffer)).getDetailsList();
        expect(any?.getTypeName()).toBe("pulumirpc.ErrorResourceInitFailed");
        const failed = rpc.ErrorResourceInitFailed.deserializeBinary(any?.getValue_asU8() ?? new Uint8Array());
        expect(failed.getId()).toBe("ns/a");
        expect(readStruct(failed.getProperties())).toEqual({ live: 1 });
        expect(readStruct(failed.getInputs())).toEqual({ said: 1 });
        expect(failed.getReasonsList()).toEqual(["not ready: [secret]", "why [secret]"]);
        expect((await call(client, service.read, new rpc.ReadRequest().setId("a"))).getId()).toBe("");
        client.close();
    });
});
