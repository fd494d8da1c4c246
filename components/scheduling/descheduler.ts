import * as pulumi from "@pulumi/pulumi";

export interface DeschedulerArgs {
    namespace: pulumi.Input<string>;
    /** IANA name. */
    timezone: string;
    /** Cron expression, five fields. */
    schedule: string;
    /** True: there is Prometheus' operator, which gets an alert on failed jobs. */
    prometheus: boolean;
}

/** The CronJob `descheduler`. Not built yet: nothing wires it. */
export class Descheduler extends pulumi.ComponentResource {
    constructor(name: string, args: DeschedulerArgs, opts: pulumi.ComponentResourceOptions) {
        super("homelab:scheduling:Descheduler", name, {}, opts);
        throw new pulumi.ResourceError(`${name} at ${args.schedule}: not built yet`, this, true);
    }
}
