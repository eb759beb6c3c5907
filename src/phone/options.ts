// What users say to a phone and to a call, and how it is checked: every mistake is a UsageError in one sentence.
import { UsageError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'

/** auto: ICE with peers that speak it, symmetric RTP with others. require: no ICE, no call. off: never offer ICE. */
export type IcePolicy = 'auto' | 'require' | 'off'

export interface PhoneOptions {
  /** Address of record, "sip:alice@pbx.example". Absent: an anonymous phone that neither registers nor authenticates. */
  account?: string
  displayName?: string
  /** Digest user name; the account's user part where absent. */
  username?: string
  password?: string
  /** Registrar and outbound proxy, "sip:pbx.example:5060;transport=tcp"; the account's domain where absent. */
  server?: string
  /** Register at the server. Default: true where there is an account. */
  register?: boolean
  /** Lifetime asked for, in seconds. Default 300. */
  registerExpires?: number
  /** Where to listen for SIP. Default: UDP and TCP on a free port of every address. */
  listen?: { protocol: 'udp' | 'tcp'; address: string; port: number }[]
  ice?: IcePolicy
  /** STUN servers, "stun:host" or "stun:host:port" (RFC 7064). Default none: nobody outside is asked unless you say so. */
  iceServers?: string[]
  /** Codecs by RTP name, best first. Default PCMU, PCMA. */
  codecs?: string[]
  /** Packet time to offer, in ms. Default 20. */
  ptimeMs?: Millis
  /** What stands in User-Agent and Server headers. */
  userAgent?: string
  /** Gives up starting: `Phone.start` then rejects, and nothing is left open. */
  signal?: AbortSignal
  /** The world to run in; the real one by default. */
  runtime?: Runtime
}

export interface CallOptions {
  /** What to stream once the call is answered and the path is open: a WAV file, "tone:440", "silence". */
  play?: string
  /** Repeat `play` until the call ends. */
  loop?: boolean
  /** WAV file for the received audio. */
  record?: string
  /** Seconds of received audio kept in memory for `hasHeard`. Default 120. */
  keepHeardSeconds?: number
  /** Send silence while nothing is played, so that the far end and NATs see a stream. Default true. */
  silence?: boolean
  /** End the call when nothing has been received for this long although the peer should be sending. Default 30 s; 0 never. */
  mediaTimeoutMs?: Millis
}

export interface DialOptions extends CallOptions {
  /** Give up ringing after this long. Default 180 s. */
  ringTimeoutMs?: Millis
  /** Late offer: the INVITE carries no offer, the far end's 200 does (RFC 3261 13.2.1). */
  lateOffer?: boolean
  headers?: [string, string][]
}

export const defaults = {
  registerExpires: 300,
  ptimeMs: 20,
  codecs: ['PCMU', 'PCMA'],
  keepHeardSeconds: 120,
  mediaTimeoutMs: 30_000,
  /** A person waits for this: what has not been gathered by then is left out (RFC 8445 leaves the limit to us). */
  gatherLimitMs: 500,
} as const

const stunPort = 3478

/** Parses "stun:host:port" (RFC 7064) without resolving the name. */
export function parseStunServer(text: string): { host: string; port: number } {
  const match = /^(?:stun:)?(?:\[([0-9a-f:.]+)\]|([^:[\]/?#@]+))(?::(\d{1,5}))?$/i.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? stunPort : Number(match[3])
  if (!host || host === 'turn' || host === 'turns' || port < 1 || port > 65_535)
    throw new UsageError(`"${text}" is not a STUN server: write stun:host or stun:host:port`)
  return { host, port }
}

/** Resolves the STUN servers, each on its own; one that cannot be resolved costs a warning, never the call. */
export async function resolveStunServers(
  servers: readonly string[],
  runtime: Runtime,
  warn: (message: string) => void,
): Promise<TransportAddress[]> {
  const parsed = servers.map(parseStunServer)
  const resolved = await Promise.all(
    parsed.map(async ({ host, port }) => {
      try {
        return (await runtime.network.resolve(host)).map((address) => ({ address, port }))
      } catch (error) {
        warn(`STUN server ${host}: ${error instanceof Error ? error.message : error}`)
        return []
      }
    }),
  )
  return resolved.flat()
}
