import { address, app, storage, webApp } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";
import { javaHeap } from "../../config/quantities";

const common = { namespace: "productivity", group: "apps" } as const;

/** Its database's only user besides root. */
const DATABASE = { user: "unifi", name: "unifi", authSource: "admin" } as const;

const SECRETS = { password: "unifi.mongoPassword", root: "unifi.mongoRootPassword" } as const;

const helpers = { "unifi-mongodb": { cpu: "20m", memory: "256Mi" } } as const;

/**
 * Run once, by the entry point of a server without data, which has made its root by then. Statistics, audits and restored
 * backups are databases of their own. The controller's image writes the password into a URL as it is.
 */
const FIRST_USER = `case "$MONGO_PASS" in
''|*[!A-Za-z0-9._~-]*)
    echo 'the secret ${SECRETS.password} is empty or has other characters than letters, digits and . _ ~ -' >&2
    exit 1 ;;
esac
mongosh --quiet --eval '
const {MONGO_INITDB_ROOT_USERNAME, MONGO_INITDB_ROOT_PASSWORD, MONGO_USER, MONGO_PASS, MONGO_DBNAME} = process.env;
const admin = db.getSiblingDB("${DATABASE.authSource}");
admin.auth(MONGO_INITDB_ROOT_USERNAME, MONGO_INITDB_ROOT_PASSWORD);
const roles = ["", "_stat", "_audit", "_restore"].map((part) => ({role: "dbOwner", db: MONGO_DBNAME + part}));
admin.createUser({user: MONGO_USER, pwd: MONGO_PASS, roles});
'
`;

/** Its image asks for the database for some forty seconds, and then never again: init-unifi-network-application-config/run. */
const DATABASE_ANSWERS = `echo "waiting for $MONGO_HOST:$MONGO_PORT"
until nc -w1 "$MONGO_HOST" "$MONGO_PORT" </dev/null >/dev/null 2>&1; do sleep 2; done`;

/**
 * The controller of UniFi's access points, switches and gateways. They reach it at an address of its own, on ports that they
 * know. https://docs.linuxserver.io/images/docker-unifi-network-application/
 */
export const unifi = app({
    ...common,
    name: "unifi",
    title: "the controller of access points and switches",
    config: webApp({ host: "unifi", memory: "2Gi" }, { address, storage: storage("10Gi") }),
    // https://help.ui.com/hc/en-us/articles/218506997; a device asks for 8080 whatever the controller would like.
    ports: { https: 8443, inform: 8080, "speed-test": 6789, "portal-https": 8843, "portal-http": 8880 },
    udpPorts: { stun: 3478, discovery: 10001, syslog: 5514, "l2-discovery": 1900 },
    reach: "dedicated",
    auth: { own: true, forward: "its devices and its app on telephones know no other login", preferred: "own" },
    secrets: Object.values(SECRETS),
    keeps: ["unifi", "unifi-mongodb"],
    requests: { cpu: "100m", memory: "1Gi" },
    helpers,
    podSecurity: "baseline",
    build: (platform, config, { main }) => {
        // Version 9 takes 8.0 at most; from one major version to the next MongoDB goes only by a person's hand.
        const mongodb = new Workload(
            "unifi-mongodb",
            {
                ...common,
                cpu: helpers["unifi-mongodb"].cpu,
                memory: { request: helpers["unifi-mongodb"].memory, limit: "1Gi" },
                ...(main.tier === undefined ? {} : { tier: main.tier }),
                image: images.mongodb,
                // Half of the machine's memory is what it would take for its cache.
                args: ["mongod", "--wiredTigerCacheSizeGB", "0.25"],
                ports: { mongodb: 27017 },
                env: {
                    MONGO_INITDB_ROOT_USERNAME: "root",
                    MONGO_USER: DATABASE.user,
                    MONGO_DBNAME: DATABASE.name,
                    HOME: "/data/configdb",
                },
                secrets: { MONGO_INITDB_ROOT_PASSWORD: SECRETS.root, MONGO_PASS: SECRETS.password },
                files: { "/docker-entrypoint-initdb.d/user.sh": FIRST_USER },
                volumes: { "/data/db": data(config.storage), "/data/configdb": scratch(), "/tmp": scratch() },
                health: { exec: ["mongosh", "--quiet", "--eval", "quit(db.adminCommand('ping').ok === 1 ? 0 : 1)"] },
                security: "owner",
            },
            platform,
        );
        const heap = javaHeap(config.memory);
        return new Workload(
            "unifi",
            {
                ...main,
                image: images.unifi,
                env: {
                    MONGO_HOST: new URL(mongodb.url).hostname,
                    MONGO_PORT: "27017",
                    MONGO_DBNAME: DATABASE.name,
                    MONGO_USER: DATABASE.user,
                    MONGO_AUTHSOURCE: DATABASE.authSource,
                    MEM_LIMIT: String(heap),
                    MEM_STARTUP: String(Math.floor(heap / 2)),
                },
                secrets: { MONGO_PASS: SECRETS.password },
                connects: [mongodb.url.replace("http:", "mongodb:")],
                init: { database: { command: ["/bin/sh", "-ec", DATABASE_ANSWERS], mounts: {} } },
                volumes: { "/config": data(config.storage), "/tmp": scratch() },
                health: { http: "/status", scheme: "HTTPS" },
                security: "startsAsRoot",
            },
            platform,
        );
    },
});
