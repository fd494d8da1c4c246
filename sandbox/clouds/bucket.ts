/** An S3 bucket on loopback: put, get, delete and list of objects, for whoever signs as AWS' Signature Version 4 says. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface BucketAccount {
    readonly bucket: string;
    readonly region: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
}

const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest("hex");
const hmac = (key: Buffer | string, text: string) => createHmac("sha256", key).update(text).digest();
const xml = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** How many names one answer lists; a real one has 1000, and whoever does not ask on is found out sooner by fewer. */
const PAGE = 5;

export class PlayedBucket {
    readonly objects = new Map<string, Buffer>();
    #server: Server | undefined;
    /** Answers every question with this, as one that is broken does. */
    broken: number | undefined;

    constructor(private readonly account: BucketAccount) {}

    /** Yields its URL. */
    async listen(): Promise<string> {
        const server = createServer((request, response) => void this.answer(request, response));
        this.#server = server.unref();
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }

    close(): Promise<void> {
        const server = this.#server;
        server?.closeAllConnections();
        return new Promise((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    }

    private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array));
        const body = Buffer.concat(chunks);
        const refuse = (status: number, code: string) => {
            response.writeHead(status, { "content-type": "application/xml" });
            response.end(`<Error><Code>${code}</Code></Error>`);
        };
        if (this.broken !== undefined) return refuse(this.broken, "InternalError");
        const url = new URL(request.url ?? "/", "http://bucket");
        const fault = this.signatureFault(request, url, body);
        if (fault !== undefined) return refuse(403, fault);
        const [, bucket = "", ...rest] = url.pathname.split("/").map(decodeURIComponent);
        if (bucket !== this.account.bucket) return refuse(404, "NoSuchBucket");
        const key = rest.join("/");
        if (key === "") return this.list(url, response);
        switch (request.method) {
            case "PUT":
                this.objects.set(key, body);
                return void response.writeHead(200).end();
            case "DELETE":
                this.objects.delete(key);
                return void response.writeHead(204).end();
            case "GET": {
                const found = this.objects.get(key);
                if (found === undefined) return refuse(404, "NoSuchKey");
                return void response.writeHead(200).end(found);
            }
            default:
                return refuse(405, "MethodNotAllowed");
        }
    }

    private list(url: URL, response: ServerResponse): void {
        const prefix = url.searchParams.get("prefix") ?? "";
        const after = url.searchParams.get("continuation-token") ?? "";
        const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
        const page = keys.slice(0, PAGE);
        const next = keys.length > PAGE ? (page.at(-1) ?? "") : undefined;
        response.writeHead(200, { "content-type": "application/xml" });
        response.end(
            `<ListBucketResult>${page.map((key) => `<Contents><Key>${xml(key)}</Key></Contents>`).join("")}` +
                `<IsTruncated>${next !== undefined}</IsTruncated>` +
                (next === undefined ? "" : `<NextContinuationToken>${xml(next)}</NextContinuationToken>`) +
                `</ListBucketResult>`,
        );
    }

    /** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
    private signatureFault(request: IncomingMessage, url: URL, body: Buffer): string | undefined {
        const { accessKeyId, secretAccessKey, region } = this.account;
        const header = (name: string) => String(request.headers[name] ?? "");
        const parts =
            /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
                header("authorization"),
            );
        if (parts === null) return "AccessDenied";
        const [, id = "", day = "", where = "", names = "", signature = ""] = parts;
        if (id !== accessKeyId) return "InvalidAccessKeyId";
        if (where !== region) return "AuthorizationHeaderMalformed";
        if (header("x-amz-content-sha256") !== sha256(body)) return "XAmzContentSHA256Mismatch";
        const time = header("x-amz-date");
        if (!time.startsWith(day)) return "SignatureDoesNotMatch";
        for (const needed of ["host", "x-amz-date"]) {
            if (!names.split(";").includes(needed)) return "AccessDenied";
        }
        const canonical = [
            request.method ?? "",
            url.pathname,
            url.search.slice(1).split("&").sort().join("&"),
            ...names.split(";").map((name) => `${name}:${header(name).trim()}`),
            "",
            names,
            header("x-amz-content-sha256"),
        ].join("\n");
        const key = [region, "s3", "aws4_request"].reduce<Buffer>(
            (before, text) => hmac(before, text),
            hmac(`AWS4${secretAccessKey}`, day),
        );
        const wanted = hmac(
            key,
            ["AWS4-HMAC-SHA256", time, `${day}/${region}/s3/aws4_request`, sha256(canonical)].join("\n"),
        );
        return timingSafeEqual(wanted, Buffer.from(signature, "hex")) ? undefined : "SignatureDoesNotMatch";
    }
}
