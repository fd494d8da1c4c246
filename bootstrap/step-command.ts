/** Commands by which a component makes a cluster: each is one step of its kind's own program, bootstrap/<kind>/main.ts. */
import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { BASH } from "../components/cluster/cluster-command";
import { IN_PROJECT } from "../components/cluster/in-project";

/** Folders below bootstrap/ that have a program of steps. */
export type StepsKind = "k3d" | "k3s" | "kubeadm" | "talos";

export interface StepCommandArgs<Step extends string> {
    readonly create: Step;
    /** Absent: a change of the inputs runs `create` again. */
    readonly update?: Step;
    readonly delete?: Step;
    /** What the step is told; it is in the state, so nothing in it is secret. */
    readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
    readonly stdin?: pulumi.Input<string>;
    /** A change of one makes the command anew: `delete` with what it was made with, then `create`. */
    readonly triggers?: readonly pulumi.Input<string>[];
}

/**
 * Makes the commands of one kind. Their text is the same in every checkout, so that no path of this computer gets into the
 * state.
 */
export const stepsOf =
    <Step extends string>(kind: StepsKind) =>
    (
        parent: pulumi.ComponentResource,
        name: string,
        args: StepCommandArgs<Step>,
        opts: pulumi.CustomResourceOptions = {},
    ): command.local.Command => {
        const script = (step: Step) => `${IN_PROJECT}\nexec node bootstrap/${kind}/run.cjs ${step}`;
        const { create, update, delete: remove, environment, stdin, triggers } = args;
        return new command.local.Command(
            name,
            {
                interpreter: BASH,
                create: script(create),
                ...(update === undefined ? {} : { update: script(update) }),
                ...(remove === undefined ? {} : { delete: script(remove) }),
                ...(stdin === undefined ? {} : { stdin }),
                ...(triggers === undefined ? {} : { triggers: [...triggers] }),
                environment,
                // Every step looks for itself; what an earlier run printed must not reach it.
                addPreviousOutputInEnv: false,
                logging: "stderr",
            },
            { ...opts, parent },
        );
    };
