import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { contentHash } from "../cluster/content-hash";
import { podSecurityNamespace } from "../cluster/namespaces";
import type { AppDelivery } from "../gitops/delivery";
import { imageReference, images } from "../images";
import type { Cilium } from "./cilium";
import { TRAFFIC_LABEL, type TrafficShaping } from "./traffic";

const NAME = "egress-qos";
const ANNOTATION = "kubernetes.io/egress-bandwidth";
const UNITS = { k: 1e3, M: 1e6, G: 1e9 } as const;

/** A number with k, M or G after it, in bits per second. */
export function toBitsPerSecond(bandwidth: string): number {
    return Number(bandwidth.slice(0, -1)) * UNITS[bandwidth.slice(-1) as keyof typeof UNITS];
}

export interface EgressQosArgs {
    /** Does the shaping itself, by its bandwidth manager. */
    cilium: Cilium;
    /** Bits per second of all pods of the class bulk-seed together, such as 40M. */
    rate: string;
    /** Bits per second of one pod at most. */
    ceil: string;
    /** Absent: Pulumi delivers it. Its namespace is Pulumi's in any case. */
    delivery?: AppDelivery | undefined;
}

/** Before who is bound by it: Argo CD knows no order between these kinds. */
const BEFORE = { "argocd.argoproj.io/sync-wave": "-1" };

/**
 * The DaemonSet `egress-qos`: shares one bandwidth among all pods labelled `traffic-tier=bulk-seed`. The shaping itself is Cilium's
 * bandwidth manager's, by an annotation of each pod; a qdisc of one's own on the uplink sees pods' packets only after they have
 * got the node's address, and cannot tell whose they are. docs/egress-qos.md
 */
export class EgressQos extends pulumi.ComponentResource implements TrafficShaping {
    readonly annotations: TrafficShaping["annotations"];

    constructor(name: string, args: EgressQosArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:network:EgressQos", name, {}, opts);
        const namespace = podSecurityNamespace(NAME, "restricted", { parent: this }).metadata.name;
        const delivery = args.delivery?.begin(this, name, NAME);
        const objects = delivery === undefined ? { parent: this } : delivery.objects;
        const made = objects && this.#objects(name, args, namespace, objects);
        delivery?.settled([made?.urn]);
        // Until its share is written a pod has the most that one may have.
        this.annotations = { "bulk-seed": { [ANNOTATION]: String(toBitsPerSecond(args.ceil)) } };
        this.registerOutputs({});
    }

    /** Everything that divides and what holds it to that. Returns the last of it. */
    #objects(
        name: string,
        args: EgressQosArgs,
        namespace: pulumi.Output<string>,
        child: pulumi.CustomResourceOptions,
    ): k8s.apps.v1.DaemonSet {
        const account = new k8s.core.v1.ServiceAccount(name, { metadata: { name: NAME, namespace } }, child);
        const role = new k8s.rbac.v1.ClusterRole(
            name,
            {
                metadata: { name: NAME },
                rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["list", "patch"] }],
            },
            child,
        );
        // A role cannot say which fields: without this whoever has the token could put another image into any pod.
        const policy = new k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
            name,
            {
                metadata: { name: NAME, annotations: BEFORE },
                spec: {
                    failurePolicy: "Fail",
                    matchConstraints: {
                        resourceRules: [
                            { apiGroups: [""], apiVersions: ["v1"], operations: ["UPDATE"], resources: ["pods"] },
                        ],
                    },
                    matchConditions: [
                        {
                            name: NAME,
                            expression: `request.userInfo.username == "system:serviceaccount:${NAME}:${NAME}"`,
                        },
                    ],
                    validations: VALIDATIONS,
                },
            },
            child,
        );
        const bound = new k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            name,
            {
                metadata: { name: NAME, annotations: BEFORE },
                spec: { policyName: policy.metadata.name, validationActions: ["Deny"] },
            },
            child,
        );
        const binding = new k8s.rbac.v1.ClusterRoleBinding(
            name,
            {
                metadata: { name: NAME },
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role.metadata.name },
                subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace }],
            },
            { ...child, dependsOn: bound },
        );
        const script = readFileSync(join(__dirname, "egress-shares.mjs"), "utf8");
        const file = new k8s.core.v1.ConfigMap(
            name,
            { metadata: { name: NAME, namespace }, data: { "egress-shares.mjs": script } },
            child,
        );
        const labels = { "app.kubernetes.io/name": NAME };
        return new k8s.apps.v1.DaemonSet(
            name,
            {
                metadata: { name: NAME, namespace, labels },
                spec: {
                    selector: { matchLabels: labels },
                    template: {
                        metadata: { labels, annotations: { "homelab/files": contentHash({ script }) } },
                        spec: {
                            serviceAccountName: account.metadata.name,
                            enableServiceLinks: false,
                            tolerations: [{ operator: "Exists" }],
                            securityContext: {
                                runAsNonRoot: true,
                                runAsUser: 65534,
                                seccompProfile: { type: "RuntimeDefault" },
                            },
                            containers: [
                                {
                                    name: NAME,
                                    image: imageReference(images.node),
                                    command: ["node", "/script/egress-shares.mjs"],
                                    env: [
                                        { name: "RUN", value: NAME },
                                        { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
                                        { name: "RATE", value: String(toBitsPerSecond(args.rate)) },
                                        { name: "CEIL", value: String(toBitsPerSecond(args.ceil)) },
                                        { name: "SELECTOR", value: `${TRAFFIC_LABEL}=bulk-seed` },
                                        {
                                            name: "NODE_EXTRA_CA_CERTS",
                                            value: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
                                        },
                                    ],
                                    resources: {
                                        requests: { cpu: "5m", memory: "48Mi" },
                                        limits: { memory: "128Mi" },
                                    },
                                    securityContext: {
                                        allowPrivilegeEscalation: false,
                                        readOnlyRootFilesystem: true,
                                        capabilities: { drop: ["ALL"] },
                                    },
                                    volumeMounts: [{ name: "script", mountPath: "/script", readOnly: true }],
                                },
                            ],
                            volumes: [{ name: "script", configMap: { name: file.metadata.name } }],
                        },
                    },
                },
            },
            { ...child, dependsOn: [binding, args.cilium.ready] },
        );
    }
}

const unchanged = (field: string) =>
    `has(object.metadata.${field}) == has(oldObject.metadata.${field}) && (!has(object.metadata.${field}) || object.metadata.${field} == oldObject.metadata.${field})`;

const VALIDATIONS = [
    {
        // By an owner that is not there a pod would be collected as garbage.
        expression: [
            "object.spec == oldObject.spec",
            ...["labels", "ownerReferences", "finalizers"].map(unchanged),
        ].join(" && "),
        message: "egress-qos may change an annotation of a pod, and nothing else",
    },
    {
        expression: [
            `has(object.metadata.labels) && "${TRAFFIC_LABEL}" in object.metadata.labels && object.metadata.labels["${TRAFFIC_LABEL}"] == "bulk-seed"`,
            `(!has(object.metadata.annotations) || object.metadata.annotations.all(key, key == "${ANNOTATION}" || ` +
                "(has(oldObject.metadata.annotations) && key in oldObject.metadata.annotations && oldObject.metadata.annotations[key] == object.metadata.annotations[key])))",
            `(!has(oldObject.metadata.annotations) || oldObject.metadata.annotations.all(key, key == "${ANNOTATION}" || ` +
                "(has(object.metadata.annotations) && key in object.metadata.annotations)))",
        ].join(" && "),
        message: `egress-qos may change the annotation ${ANNOTATION} of a pod of its class, and nothing else`,
    },
];
