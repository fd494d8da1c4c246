/** Schema of `monitoring.receivers`: whom Alertmanager tells. Their secrets are in the stack's store: docs/alerts.md */
import { z } from "zod";
import { hostPort, label } from "./fields";

/** A receiver's own name; several of one kind need different ones. */
const common = (kind: string) => ({
    name: label.default(kind),
    severity: z.enum(["warning", "critical"], { error: "warning or critical" }).default("warning"),
});

const httpsServer = z
    .string({ error: "an https URL without a path such as https://ntfy.sh" })
    .refine((url) => /^https:\/\/[A-Za-z0-9.-]+(:[1-9]\d*)?$/.test(url) && URL.canParse(url), {
        error: "an https URL without a path such as https://ntfy.sh",
    });

const MAIL_SERVER = "host and port such as smtp.example.net:587";

const address = z.email({ error: "an e-mail address" });

const receiver = z.discriminatedUnion(
    "kind",
    [
        z.strictObject({
            kind: z.literal("ntfy"),
            ...common("ntfy"),
            server: httpsServer.default("https://ntfy.sh"),
            /** Set where the topic asks for an access token. */
            token: z.boolean({ error: "true or false" }).default(false),
        }),
        z.strictObject({ kind: z.literal("discord"), ...common("discord") }),
        z.strictObject({
            kind: z.literal("telegram"),
            ...common("telegram"),
            /** Chat that the bot writes to; a group's is negative. */
            chatId: z.int({ error: "a chat's number such as -1001234567890" }),
        }),
        z.strictObject({ kind: z.literal("pushover"), ...common("pushover") }),
        z.strictObject({
            kind: z.literal("mail"),
            ...common("mail"),
            to: address,
            from: address,
            /** Mail server that takes the message, with its port. */
            server: z
                .string({ error: MAIL_SERVER })
                .refine((server) => hostPort.safeParse(server).success, { error: MAIL_SERVER }),
            username: z.string({ error: "a user name" }).min(1, { error: "a user name" }),
        }),
        z.strictObject({ kind: z.literal("webhook"), ...common("webhook") }),
    ],
    { error: "kind: ntfy, discord, telegram, pushover, mail or webhook" },
);

/** Empty: alerts are seen in Alertmanager and Grafana only. */
export const receivers = z.array(receiver).superRefine((list, context) => {
    list.forEach(({ name }, index) => {
        if (name === "null" || list.findIndex((one) => one.name === name) !== index) {
            context.addIssue({
                code: "custom",
                path: [index, "name"],
                message: "a name that no other receiver has, and not null",
            });
        }
    });
});
