/** Whom Alertmanager tells, and what of it is secret. https://prometheus-operator.dev/docs/api-reference/api/ (AlertmanagerConfig) */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { SecretRef, SecretStore } from "../secrets/secret-store";
import { inhibitRules, matcher } from "./inhibitions";

interface AnyReceiver {
    /** Its own name; part of the names of its secrets. */
    readonly name: string;
    /** Least severity that is told. */
    readonly severity: "warning" | "critical";
}

export type Receiver = AnyReceiver &
    (
        | {
              readonly kind: "ntfy";
              /** https://ntfy.sh, or a server of one's own. */
              readonly server: string;
              /** True: the topic asks for an access token. */
              readonly token: boolean;
          }
        | { readonly kind: "discord" }
        | { readonly kind: "telegram"; /** Chat, group (negative) or channel. */ readonly chatId: number }
        | { readonly kind: "pushover" }
        | {
              readonly kind: "mail";
              readonly to: string;
              readonly from: string;
              /** Host and port of the mail server, which must offer STARTTLS or be on port 465. */
              readonly server: string;
              readonly username: string;
          }
        | { readonly kind: "webhook" }
    );

/** Values of a receiver in the secret store, by what they are. */
const SECRETS = {
    ntfy: ["topic"],
    discord: ["webhookUrl"],
    telegram: ["botToken"],
    pushover: ["userKey", "apiToken"],
    mail: ["password"],
    webhook: ["url"],
} as const satisfies Record<Receiver["kind"], readonly string[]>;

const secretsOf = (receiver: Receiver): string[] => [
    ...SECRETS[receiver.kind],
    ...(receiver.kind === "ntfy" && receiver.token ? ["token"] : []),
];
const refOf = ({ name }: Receiver, value: string): SecretRef => `alerts.${name}.${value}`;

/** What the secret store must hold for these receivers, e.g. `alerts.telegram.botToken`. */
export const receiverRefs = (receivers: readonly Receiver[]): SecretRef[] =>
    receivers.flatMap((receiver) => secretsOf(receiver).map((value) => refOf(receiver, value)));

export interface AlertReceiversArgs {
    namespace: pulumi.Input<string>;
    receivers: readonly Receiver[];
    secrets: SecretStore;
    /** See `PrometheusStackArgs`. */
    networkFirst?: boolean;
}

/** Names of the AlertmanagerConfig and of the Secret with what it needs. */
const NAME = "alert-receivers";

/** The AlertmanagerConfig that `alertmanagerConfiguration` of a chart names. The operator reads rotated secrets by itself. */
class AlertReceivers extends pulumi.ComponentResource {
    /** Name of the AlertmanagerConfig. */
    readonly configName: pulumi.Output<string>;

    constructor(name: string, args: AlertReceiversArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:monitoring:AlertReceivers", name, {}, opts);
        const secret = args.secrets.deliver(
            name,
            { name: NAME, namespace: args.namespace, ...receiverSecret(args.receivers) },
            { parent: this },
        );
        this.configName = new k8s.apiextensions.CustomResource(
            name,
            {
                apiVersion: "monitoring.coreos.com/v1alpha1",
                kind: "AlertmanagerConfig",
                metadata: { name: NAME, namespace: args.namespace },
                spec: alertmanagerConfig(args.receivers, secret, args.networkFirst),
            },
            { parent: this },
        ).metadata.name;
        this.registerOutputs({});
    }
}

/** Name of the AlertmanagerConfig for the receivers; undefined where there are none. */
export const alertReceivers = (
    name: string,
    args: AlertReceiversArgs,
    opts: pulumi.ComponentResourceOptions,
): pulumi.Output<string> | undefined =>
    args.receivers.length === 0 ? undefined : new AlertReceivers(name, args, opts).configName;

/** Values of a chart's `alertmanagerSpec` for it; none without receivers: the chart's own configuration tells nobody. */
export function alertmanagerConfiguration(configName: pulumi.Input<string> | undefined) {
    return configName === undefined
        ? {}
        : { alertmanagerConfiguration: { name: configName, global: { resolveTimeout: "5m" } } };
}

/** Keys of the Secret: `<receiver>-<value>`. */
export function receiverSecret(receivers: readonly Receiver[]) {
    const data: Record<string, SecretRef> = {};
    const templates: Record<string, (secret: (ref: SecretRef) => string) => string> = {};
    for (const receiver of receivers) {
        for (const value of secretsOf(receiver)) {
            const key = `${receiver.name}-${value}`;
            if (receiver.kind === "ntfy" && value === "topic") {
                // ntfy makes a readable message of what Alertmanager sends; whoever knows a topic's name may read it.
                templates[key] = (secret) =>
                    `${receiver.server}/${secret(refOf(receiver, value))}?template=alertmanager`;
            } else {
                data[key] = refOf(receiver, value);
            }
        }
    }
    return { data, templates };
}

/** Flux calls its errors so. */
const FLUX_ERROR = "error";

/** `spec` of the AlertmanagerConfig. */
export function alertmanagerConfig(receivers: readonly Receiver[], secret: pulumi.Input<string>, networkFirst = false) {
    return {
        route: {
            receiver: "null",
            groupBy: ["namespace", "alertname"],
            groupWait: "30s",
            groupInterval: "5m",
            repeatInterval: "12h",
            routes: [
                // One fires always, the other with every small thing: they are for other programs and rules.
                { receiver: "null", matchers: [matcher("alertname", ["Watchdog", "InfoInhibitor"])] },
                ...receivers.map(({ name, severity }) => ({
                    receiver: name,
                    matchers: [
                        matcher("severity", ["critical", FLUX_ERROR, ...(severity === "warning" ? ["warning"] : [])]),
                    ],
                    continue: true,
                })),
            ],
        },
        inhibitRules: inhibitRules(networkFirst),
        receivers: [{ name: "null" }, ...receivers.map((receiver) => receiverFields(receiver, secret))],
    };
}

function receiverFields(receiver: Receiver, secret: pulumi.Input<string>) {
    const { name } = receiver;
    const key = (value: string) => ({ name: secret, key: `${name}-${value}` });
    const sendResolved = true;
    switch (receiver.kind) {
        case "ntfy":
            return {
                name,
                webhookConfigs: [
                    {
                        sendResolved,
                        urlSecret: key("topic"),
                        ...(receiver.token
                            ? { httpConfig: { authorization: { type: "Bearer", credentials: key("token") } } }
                            : {}),
                    },
                ],
            };
        case "discord":
            return { name, discordConfigs: [{ sendResolved, apiURL: key("webhookUrl") }] };
        case "telegram":
            return {
                name,
                telegramConfigs: [
                    { sendResolved, botToken: key("botToken"), chatID: receiver.chatId, parseMode: "HTML" },
                ],
            };
        case "pushover":
            return { name, pushoverConfigs: [{ sendResolved, userKey: key("userKey"), token: key("apiToken") }] };
        case "mail":
            return {
                name,
                emailConfigs: [
                    {
                        sendResolved,
                        to: receiver.to,
                        from: receiver.from,
                        smarthost: receiver.server,
                        authUsername: receiver.username,
                        authPassword: key("password"),
                        requireTLS: true,
                    },
                ],
            };
        case "webhook":
            return { name, webhookConfigs: [{ sendResolved, urlSecret: key("url") }] };
    }
}
