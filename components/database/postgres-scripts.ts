/** What is waited for, and done, about a PostgreSQL server that no resource expresses. Environment: NAMESPACE, SERVER. */

const inNamespace = `kubectl --namespace "$NAMESPACE"`;

/** `server <jsonpath>` reads the Cluster; `back_up <name>` takes a base backup and fails when it does. */
const FUNCTIONS = `
server() { ${inNamespace} get clusters.postgresql.cnpg.io "$SERVER" --ignore-not-found --output=jsonpath="$1"; }
backup() { ${inNamespace} get "$1" --output=jsonpath="$2"; }
finish() {
  end=$((SECONDS + 3600))
  until ${inNamespace} wait "$1" --for=jsonpath='{.status.phase}'=completed --timeout=5s > /dev/null 2>&1; do
    phase=$(backup "$1" '{.status.phase}') || return 1
    test "$phase" != failed || { echo "$1 failed: $(backup "$1" '{.status.error}')" >&2; return 1; }
    test "$SECONDS" -lt "$end" || { echo "$1 did not end within an hour; it is \${phase:-waiting}" >&2; return 1; }
  done
}
back_up() {
  owner="{\\"apiVersion\\":\\"postgresql.cnpg.io/v1\\",\\"kind\\":\\"Cluster\\",\\"name\\":\\"$SERVER\\",\\"uid\\":\\"$(server '{.metadata.uid}')\\"}"
  printf '{"apiVersion":"postgresql.cnpg.io/v1","kind":"Backup","metadata":{"name":"%s","ownerReferences":[%s]},"spec":{"cluster":{"name":"%s"},"method":"plugin","pluginConfiguration":{"name":"barman-cloud.cloudnative-pg.io"}}}' "$1" "$owner" "$SERVER" |
    ${inNamespace} create --filename=- >&2
  finish "backups.postgresql.cnpg.io/$1"
}`.trim();

/** Succeeds where a base backup was completed since the server was made. JSONPath knows no "and". */
const ALL_BACKUPS = `
  ${inNamespace} get backups.postgresql.cnpg.io --output=jsonpath='{range .items[?(@.status.phase=="completed")]}{.status.stoppedAt}{"\\n"}{end}' |
    awk -v born="$born" '$0 >= born { found = 1 } END { exit !found }'`.slice(1);

/** The same among those of other servers. */
const OWN_BACKUPS = `
  ${inNamespace} get backups.postgresql.cnpg.io --output=jsonpath='{range .items[?(@.status.phase=="completed")]}{.spec.cluster.name} {.status.stoppedAt}{"\\n"}{end}' |
    awk -v born="$born" -v server="$SERVER" '$1 == server && $2 >= born { found = 1 } END { exit !found }'`.slice(1);

/**
 * A server is Ready while nothing of it is archived, so archiving is waited for too; and a base backup of this very
 * life, without which its archive could not be restored.
 */
export const readyScript = ({
    life,
    ignoredBy,
    amongOthers,
}: {
    /** Name of the command that decided the server's life. */
    readonly life: string;
    /** Key of the configuration that names archives to ignore. */
    readonly ignoredBy: string;
    /** Whether backups of other servers are in the namespace. */
    readonly amongOthers: boolean;
}): string =>
    `
${FUNCTIONS}
refuse() {
  echo "PostgreSQL $NAMESPACE/$SERVER $1. Archives of earlier lives are untouched." >&2
  echo "It is $(server '{.status.phase}') $(server '{.status.phaseReason}'); it archives to $(server '{.spec.plugins[*].parameters.serverName}'), started from archive: $(server '{.spec.bootstrap.recovery.source}')." >&2
  echo "See  ${inNamespace} logs --selector=cnpg.io/cluster=$SERVER --all-containers --tail=50  and run pulumi up again once that is mended." >&2
  echo "To have it made anew from the newest archive:  ${inNamespace} delete cluster $SERVER && pulumi refresh && pulumi up --replace '**::${life}'" >&2
  echo "If that archive is damaged, name it in ${ignoredBy} first: the one before is taken." >&2
  exit 1
}
${inNamespace} wait "clusters.postgresql.cnpg.io/$SERVER" --for=condition=Ready --timeout=3600s >&2 || refuse "is not ready"
${inNamespace} wait "clusters.postgresql.cnpg.io/$SERVER" --for=condition=ContinuousArchiving --timeout=900s >&2 ||
  refuse "does not archive: $(server '{.status.conditions[?(@.type=="ContinuousArchiving")].message}')"
born=$(server '{.metadata.creationTimestamp}')
backed_up() {
${amongOthers ? OWN_BACKUPS : ALL_BACKUPS}
}
first=$(${inNamespace} get backups.postgresql.cnpg.io --selector="cnpg.io/scheduled-backup=$SERVER" --sort-by=.metadata.creationTimestamp --output=name | tail -n 1)
if ! backed_up && test -n "$first" && test "$(backup "$first" '{.status.phase}')" != failed; then
  finish "$first" || refuse "has no base backup"
fi
backed_up || back_up "$SERVER-first-$(date +%s)" || refuse "has no base backup"`.trim();

/** Whoever used the server is gone by now. One that never came up has nothing that its archive lacks. */
export const LAST_BACKUP = `
${FUNCTIONS}
if test -z "$(server '{.status.currentPrimary}')"; then
  echo "PostgreSQL $NAMESPACE/$SERVER never came up: there is nothing to back up." >&2
  exit
fi
back_up "$SERVER-before-destroy-$(date +%s)" || {
  echo "The last backup of PostgreSQL $NAMESPACE/$SERVER was not taken. Its volumes stay." >&2
  echo "To go on without: set backups.beforeDestroy to false, pulumi up, pulumi destroy." >&2
  exit 1
}`.trim();
