# `kopia.sh snapshot`, `kopia.sh restore` and `kopia.sh list`, in a pod that has the machine's directories: /repository is the repository, /data the
# directory whose `<namespace>/<claim>` are kept. Environment: KOPIA_PASSWORD, KOPIA_IDENTITY; for snapshots SOURCES, KEEP_DAILY,
# KEEP_WEEKLY, KEEP_MONTHLY; for a restore SOURCE and SNAPSHOT ("latest", or the id of one); for a list SOURCE, empty for all.
set -eu
: "${DATA:=/data}" "${REPOSITORY:=/repository}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KOPIA_CONFIG_PATH=$work/repository.config KOPIA_CACHE_DIRECTORY=$work/cache KOPIA_LOG_DIR=$work/logs KOPIA_CHECK_FOR_UPDATES=false

# The pod's /tmp has 8Gi. By Kopia's own sizes 10 GB of cache are allowed and nothing young is ever swept: a large restore was evicted.
CACHE="--content-cache-size-mb 500 --content-cache-size-limit-mb 1000 --metadata-cache-size-mb 2000 --metadata-cache-size-limit-mb 4000"

# One identity whatever pod it is: snapshots are found, and old ones expire, by it.
repository() {
    # shellcheck disable=SC2086
    kopia repository "$1" filesystem --path "$REPOSITORY" --override-hostname "$KOPIA_IDENTITY" --override-username homelab $CACHE
}

snapshot() {
    if [ -z "$(ls -A "$REPOSITORY")" ]; then
        repository create
    else
        # Never made anew over what is there: a wrong password must not look like an empty repository.
        repository connect
    fi
    kopia policy set --global --compression zstd --keep-latest 3 --keep-hourly 0 --keep-daily "$KEEP_DAILY" \
        --keep-weekly "$KEEP_WEEKLY" --keep-monthly "$KEEP_MONTHLY" --keep-annual 0
    failed=
    for source in $SOURCES; do
        if [ ! -d "$DATA/$source" ]; then
            echo "$source: not there yet" >&2
            failed="$failed $source"
        elif ! kopia snapshot create "$DATA/$source"; then
            failed="$failed $source"
        fi
    done
    kopia maintenance run
    if [ -n "$failed" ]; then
        echo "not backed up:$failed" >&2
        exit 1
    fi
}

list() {
    repository connect
    if [ -n "$SOURCE" ]; then kopia snapshot list "$DATA/$SOURCE"; else kopia snapshot list; fi
}

restore() {
    case "$SOURCE" in
    */*/* | *..* | /* | "" | */) echo "SOURCE is \"$SOURCE\"; it must be <namespace>/<claim>, such as media/sonarr" >&2; exit 1 ;;
    */*) ;;
    *) echo "SOURCE is \"$SOURCE\"; it must be <namespace>/<claim>, such as media/sonarr" >&2; exit 1 ;;
    esac
    repository connect
    id=$SNAPSHOT
    if [ "$id" = latest ]; then
        # Oldest first, an object a line.
        id=$(kopia snapshot list --json "$DATA/$SOURCE" | sed -n 's/.*"rootEntry":.*"obj":"\([^"]*\)".*/\1/p' | tail -n 1)
        if [ -z "$id" ]; then
            echo "there is no snapshot of $DATA/$SOURCE in the repository" >&2
            exit 1
        fi
    fi
    fresh=$DATA/$SOURCE.restoring
    rm -rf "$fresh"
    kopia snapshot restore "$id" "$fresh"
    # What was there stays beside it, until a person is content.
    if [ -d "$DATA/$SOURCE" ]; then mv "$DATA/$SOURCE" "$DATA/$SOURCE.before-$(date -u +%Y%m%d%H%M%S)"; fi
    mv "$fresh" "$DATA/$SOURCE"
    echo "$SOURCE is as in snapshot $id"
}

case "${1:-}" in
snapshot | restore | list) "$1" ;;
*) echo "usage: kopia.sh snapshot|restore|list" >&2; exit 2 ;;
esac
