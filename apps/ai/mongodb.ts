import { app, block, storage } from "../app";
import { images } from "../../components/images";
import { data, scratch } from "../../components/storage/volumes";
import { Workload } from "../../components/workload";

const ROOT_PASSWORD = "mongodb.rootPassword";
/** Password of the user librechat, who owns the database of that name. */
export const LIBRECHAT_PASSWORD = "mongodb.librechatPassword";

/**
 * MongoDB for LibreChat, one server. Journal and data are on one volume, so that a snapshot of it is what a power failure would leave, and
 * is recovered as that. From version 5 on it needs a processor with AVX. https://hub.docker.com/_/mongo
 */
export const mongodb = app({
    name: "mongodb",
    title: "LibreChat's database",
    namespace: "ai",
    group: "apps",
    config: block("2Gi", { storage: storage("20Gi") }),
    ports: { mongodb: 27017 },
    provides: "mongodb",
    mesh: "its one sign of life is an open port, which a proxy shows in its place",
    secrets: [ROOT_PASSWORD, LIBRECHAT_PASSWORD],
    keeps: ["mongodb"],
    requests: { cpu: "50m", memory: "512Mi" },
    podSecurity: "restricted",
    build: (platform, config, { main }) =>
        new Workload(
            "mongodb",
            {
                ...main,
                image: images.mongodb,
                env: { HOME: "/tmp", MONGO_INITDB_ROOT_USERNAME: "root" },
                secrets: { MONGO_INITDB_ROOT_PASSWORD: ROOT_PASSWORD, LIBRECHAT_PASSWORD },
                // Run once, where the volume is empty: later a password is changed in the server, too.
                files: { "/docker-entrypoint-initdb.d/librechat.js": LIBRECHAT_USER },
                volumes: {
                    "/data/db": data(config.storage),
                    "/data/configdb": scratch(),
                    "/tmp": scratch(),
                },
                // A look inside starts a program of some 100 MB each time.
                health: { tcp: true },
                terminationGracePeriod: 60,
                security: "owner",
            },
            platform,
        ),
});

const LIBRECHAT_USER = `
db.getSiblingDB("librechat").createUser({
  user: "librechat",
  pwd: process.env.LIBRECHAT_PASSWORD,
  roles: [{ role: "dbOwner", db: "librechat" }],
});
`.trimStart();
