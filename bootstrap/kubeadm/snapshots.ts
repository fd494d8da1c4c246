/** Snapshots of etcd: what a control plane runs by a timer, and before an upgrade. */
import { shellQuote } from "../../components/cluster/shell";
import { API_PORT } from "../machines";
import { PATHS, SNAPSHOT_UNIT, type KubeadmNode, type KubeadmSnapshots } from "./cluster-config";
import { KUBECTL } from "./facts";

/**
 * `sh etcd-snapshot.sh [<what for>]`. A snapshot is two files: etcd's data, in which Secrets are encrypted, and the cluster's
 * certificates, without which nobody could read or trust it, encrypted as a whole. Names begin with node and time, so that
 * they sort by age.
 */
export function snapshotScript(
    { name, address }: Pick<KubeadmNode, "name" | "address">,
    { schedule, keep, s3 }: KubeadmSnapshots,
): string {
    const kubectl = `${KUBECTL} --server=https://${address}:${API_PORT} --namespace=kube-system`;
    const pki = `${PATHS.kubernetes}/pki/etcd`;
    const url = s3 && shellQuote(`${s3.endpoint.replace(/\/$/, "")}/${s3.bucket}/${s3.folder}`);
    const curl = `curl --config ${PATHS.snapshotStore} --fail --silent --show-error --retry 3 --max-time 900`;
    const bucket = (words: string) => `${curl} ${words} || exit ${NOT_SENT}`;
    return `#!/bin/sh
# Written by pulumi up (bootstrap/kubeadm); a change by hand is undone.
set -eu
umask 077
directory=${PATHS.snapshots}
name="${name}-$(date -u +%Y%m%dT%H%M%SZ)-\${1:-scheduled}"
install -d -m 0700 "$directory"
${kubectl} exec etcd-${name} -- etcdctl --endpoints=https://127.0.0.1:2379 --cacert=${pki}/ca.crt --cert=${pki}/healthcheck-client.crt --key=${pki}/healthcheck-client.key snapshot save ${PATHS.etcd}/homelab-infrastructure.db < /dev/null > /dev/null
mv ${PATHS.etcd}/homelab-infrastructure.db "$directory/$name.db"
tar -C ${PATHS.kubernetes} -cf "$directory/$name.pki" pki
openssl enc -aes-256-cbc -pbkdf2 -salt -pass file:${PATHS.snapshotKey} -in "$directory/$name.pki" -out "$directory/$name.pki.enc"
rm -f "$directory/$name.pki"
${
    url === undefined
        ? "# No S3 server is configured: snapshots stay here."
        : `for file in "$name.db" "$name.pki.enc"; do
  ${bucket(`--upload-file "$directory/$file" ${url}/"$file"`)}
done`
}
ls "$directory" | grep '^${name}-.*\\.db$' | sort -r | tail -n +${keep + 1} | while read -r old; do
  for file in "$old" "\${old%.db}.pki.enc"; do
    ${url === undefined ? ":" : bucket(`--request DELETE ${url}/"$file"`)}
    rm -f "$directory/$file"
  done
done
# Whoever looks from inside the cluster sees when the next is due, and that it did not come.
next=$(systemd-analyze calendar ${shellQuote(schedule)} | sed -n 's/^ *\\(Next elapse\\|(in UTC)\\): *//p' | tail -n 1)
due=$(date -d "$next" +%s)
printf '{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"${snapshotLease(name)}"},"spec":{"holderIdentity":"%s","renewTime":"%s","leaseDurationSeconds":%d}}' "$name" "$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)" "$((due - $(date +%s) + ${LATE}))" | ${kubectl} apply --server-side --force-conflicts --field-manager=etcd-snapshot --filename=- > /dev/null
echo "$name"
`;
}

/** What the script ends with where the bucket takes nothing: each further try would leave another snapshot on the machine. */
const NOT_SENT = 69;

/** Seconds that a snapshot may be late by: the timer's own delay, and the way to the bucket. */
const LATE = 3600;

/** Lease in `kube-system` that a node holds until its next snapshot is overdue. */
export const snapshotLease = (node: string): string => `etcd-snapshot-${node}`;

/** At a start of the machine the timer may be before the API server: for some twenty minutes it is tried again. */
export const SNAPSHOT_SERVICE = `# Written by pulumi up (bootstrap/kubeadm); a change by hand is undone.
[Unit]
Description=Snapshot of etcd
Wants=network-online.target
After=network-online.target kubelet.service
StartLimitIntervalSec=1h
StartLimitBurst=10

[Service]
Type=oneshot
Restart=on-failure
RestartSec=2min
RestartPreventExitStatus=${NOT_SENT}
ExecStart=/bin/sh ${PATHS.snapshotScript}
`;

export const snapshotTimer = ({ schedule }: Pick<KubeadmSnapshots, "schedule">): string =>
    `# Written by pulumi up (bootstrap/kubeadm); a change by hand is undone.
[Unit]
Description=Snapshots of etcd

[Timer]
OnCalendar=${schedule}
RandomizedDelaySec=5min
Persistent=true

[Install]
WantedBy=timers.target
`;

export const SNAPSHOT_PATHS = {
    service: `/etc/systemd/system/${SNAPSHOT_UNIT}.service`,
    timer: `/etc/systemd/system/${SNAPSHOT_UNIT}.timer`,
} as const;
