import { METALLB_NAMESPACE } from "../../../components/network/metallb";
import { type Action, collections, type Controller, resources } from "../../controllers/controller";
import { isLeaving, running } from "../../controllers/custom-resources";
import type { Deployment, KubeObject } from "../../controllers/objects";

const GROUP = "admissionregistration.k8s.io";
const webhooks = resources(GROUP, "v1", "validatingwebhookconfigurations");
const policies = resources(GROUP, "v1", "validatingadmissionpolicies");
const bindings = resources(GROUP, "v1", "validatingadmissionpolicybindings");

const CONFIGURATION = "metallb-webhook-configuration";
/** Stands where the webhook would: nobody answers there in a sandbox. */
const REFUSAL = "sandbox-metallb-webhook";
/** From a ready controller to a webhook with a certificate: the real one's readiness says nothing of it. */
const DELAY_MS = 3000;

interface Webhooks extends KubeObject {
    readonly webhooks?: readonly { readonly clientConfig?: { readonly caBundle?: string } }[];
}

export function isMetalLbController({ metadata, spec }: Deployment): boolean {
    const labels = { ...spec.template.metadata?.labels, ...metadata.labels };
    return (
        (labels["app.kubernetes.io/name"] === "metallb" || labels["app"] === "metallb") &&
        (labels["app.kubernetes.io/component"] === "controller" || labels["component"] === "controller")
    );
}

/**
 * Refuses MetalLB's objects until its controller has had the time to make its webhook's certificate. From its namespace on,
 * which is there some time before: the real configuration refuses from its first moment, a policy once the API server has read it.
 */
export function metalLbWebhook(): Controller {
    let readySince: number | undefined;
    return {
        name: "metallb-webhook",
        lists: [collections.deployments, collections.namespaces, webhooks, policies, bindings],
        reconcile(view): Action[] {
            const configuration = view
                .list<Webhooks>(webhooks)
                .find((one) => one.metadata.name === CONFIGURATION && !isLeaving(one));
            const expected = view
                .list<KubeObject>(collections.namespaces)
                .some((one) => one.metadata.name === METALLB_NAMESPACE && !isLeaving(one));
            const ready = running(view, isMetalLbController) !== undefined;
            readySince = ready ? (readySince ?? view.now) : undefined;
            const serves = readySince !== undefined && view.now - readySince >= DELAY_MS;
            const present = (collection: string) =>
                view.list<KubeObject>(collection).some(({ metadata }) => metadata.name === REFUSAL);
            if (serves || (configuration === undefined && !expected)) {
                return [
                    ...[bindings, policies]
                        .filter(present)
                        .map((collection): Action => ({ verb: "delete", path: `${collection}/${REFUSAL}` })),
                    ...(configuration === undefined ? [] : certified(configuration)),
                ];
            }
            return REFUSALS.filter(([collection]) => !present(collection)).map(([collection, body]): Action => ({
                verb: "apply",
                path: `${collection}/${REFUSAL}`,
                body,
            }));
        },
    };
}

/** The real controller writes its own authority into each webhook. */
function certified({ webhooks: list = [] }: Webhooks): Action[] {
    const caBundle = Buffer.from("the sandbox's authority of MetalLB").toString("base64");
    if (list.every(({ clientConfig }) => clientConfig?.caBundle !== undefined)) return [];
    return [
        {
            verb: "patch",
            path: `${webhooks}/${CONFIGURATION}`,
            body: { webhooks: list.map((hook) => ({ ...hook, clientConfig: { ...hook.clientConfig, caBundle } })) },
        },
    ];
}

const REFUSALS = [
    [
        policies,
        {
            apiVersion: `${GROUP}/v1`,
            kind: "ValidatingAdmissionPolicy",
            metadata: { name: REFUSAL },
            spec: {
                failurePolicy: "Fail",
                matchConstraints: {
                    resourceRules: [
                        {
                            apiGroups: ["metallb.io"],
                            apiVersions: ["*"],
                            operations: ["CREATE", "UPDATE"],
                            resources: ["*"],
                        },
                    ],
                },
                validations: [
                    {
                        expression: "false",
                        message: "failed calling webhook: MetalLB's webhook has no certificate yet",
                    },
                ],
            },
        },
    ],
    [
        bindings,
        {
            apiVersion: `${GROUP}/v1`,
            kind: "ValidatingAdmissionPolicyBinding",
            metadata: { name: REFUSAL },
            spec: { policyName: REFUSAL, validationActions: ["Deny"] },
        },
    ],
] as const;
