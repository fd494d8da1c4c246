/** Loopback clouds: what of Cloudflare's and Tailscale's APIs the project asks, served from 127.0.0.1 with a memory. */
export { type CloudflareOptions, type CloudflareState, type LoopbackCloudflare, startCloudflare } from "./cloudflare";
export {
    type LoopbackTailscale,
    startTailscale,
    type TailscaleCredentials,
    type TailscaleOptions,
    type TailscaleState,
} from "./tailscale";
