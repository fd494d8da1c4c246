/** Fields of machines that a person installs Linux on, whatever Kubernetes they get. */
import { z } from "zod";
import { spelled } from "../config/fields";

/** Of a label or a taint. The kubelet may not give itself what is Kubernetes' own. */
const KEY = spelled(
    "a key such as gpu or example.com/gpu, whose prefix is not kubernetes.io or k8s.io: those are the kubelet's",
    /^(?!([a-z0-9.-]+\.)?(kubernetes|k8s)\.io\/)([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
);
const VALUE = spelled(
    'a value of at most 63 letters, digits and inner ._-, as text: "true"',
    /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/,
);

const taint = z.strictObject({
    key: KEY,
    value: VALUE.default(""),
    effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"], {
        error: "NoSchedule, PreferNoSchedule or NoExecute",
    }),
});

export const nodeLabels = z.record(KEY, VALUE).default({});
export const nodeTaints = z.array(taint).default([]);

/** Whether no taint of its own keeps pods away: apps, charts and device plugins tolerate none. */
export const takesPods = ({ taints }: { readonly taints: readonly { readonly effect: string }[] }): boolean =>
    !taints.some(({ effect }) => effect === "NoSchedule" || effect === "NoExecute");

/** An S3 server in the house may have no certificate. */
export const storeUrl = spelled(
    "a URL of an S3 server without a path, such as http://192.168.10.10:9000 or https://s3.us-west-004.backblazeb2.com",
    /^https?:\/\/[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?\/?$/,
).refine((url) => URL.canParse(url), {
    error: "a URL whose host is a name or an IPv4 address, and its port at most 65535",
});
