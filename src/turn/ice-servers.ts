// STUN and TURN servers as users write them: URIs (RFC 7064, RFC 7065) with an optional "user:password@", or the objects that
// WebRTC knows, with a password or with the secret from which time-limited passwords are made (the "TURN REST API",
// draft-uberti-behave-turn-rest). Names are resolved in parallel; one that fails is a warning. Left out: DTLS (stuns: and
// turns: over UDP), SRV records (RFC 5928).
import { createHmac } from 'node:crypto'
import { UsageError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import type { Network } from '../runtime/runtime.ts'
import { canonicalIp } from '../stun/ip-address.ts'
import type { TurnServer, TurnTransport } from './server.ts'

/** As `RTCIceServer` of WebRTC, and `secret`. What stands in a URI itself goes before. */
export interface IceServerConfig {
  urls: string | readonly string[]
  username?: string
  credential?: string
  /** Shared with the server (coturn: `static-auth-secret`): name and password are made from it, good for a day. */
  secret?: string
}

export type IceServer = string | IceServerConfig

/** A server whose name is not yet resolved. */
export type NamedServer =
  | { kind: 'stun'; host: string; port: number }
  | {
      kind: 'turn'
      host: string
      port: number
      transport: TurnTransport
      username: string
      password?: string
      secret?: string
    }

/** RFC 7065 3.2, RFC 8656 19. */
const plainPort = 3478
const tlsPort = 5349
/** Longer than any call; servers ask only that it is not over when the allocation is made or refreshed. */
const credentialLifetimeSeconds = 86_400

const uriPattern =
  /^(?:(stuns?|turns?):)?(?:(.*)@)?(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?(?:\?transport=([a-z]+))?$/i

/** Throws UsageError in one sentence, which never shows a password. */
export function parseIceServers(servers: readonly IceServer[]): NamedServer[] {
  return servers.flatMap((server) => {
    if (typeof server === 'string') return [parseIceServer(server)]
    const { urls, ...credentials } = server
    const all = typeof urls === 'string' ? [urls] : urls
    if (!Array.isArray(all) || all.length === 0 || !all.every((url) => typeof url === 'string'))
      throw new UsageError(
        'an ICE server object needs "urls": write { urls: "turn:host", username, credential }',
      )
    return all.map((url: string) => parseIceServer(url, credentials))
  })
}

/** One URI; without a scheme it names a STUN server. Throws UsageError. */
function parseIceServer(text: string, given: Omit<IceServerConfig, 'urls'> = {}): NamedServer {
  const match = uriPattern.exec(text)
  const scheme = match?.[1]?.toLowerCase() ?? 'stun'
  const isTurn = scheme.startsWith('turn')
  const host = canonicalIp(match?.[3] ?? match?.[4] ?? '') ?? (match?.[3] ? undefined : match?.[4])
  const port = match?.[5] === undefined ? (scheme === 'turns' ? tlsPort : plainPort) : Number(match[5])
  if (!match || !host || port < 1 || port > 65_535)
    throw new UsageError(
      `"${withoutPassword(text)}" is not a STUN or TURN server: write stun:host:port or turn:user:password@host:port`,
    )
  if (scheme === 'stuns')
    throw new UsageError(
      `"${withoutPassword(text)}" asks for STUN over TLS, which floe does not speak: write stun:`,
    )
  if (!isTurn) {
    if (match[2] !== undefined || match[6] !== undefined)
      throw new UsageError(
        `"${withoutPassword(text)}" is a STUN server, which takes neither password nor transport: write stun:host:port`,
      )
    return { kind: 'stun', host, port }
  }
  const transport = turnTransport(scheme, match[6]?.toLowerCase())
  if (!transport)
    throw new UsageError(
      `"${withoutPassword(text)}" names a transport that floe does not speak to TURN: write ?transport=udp or ?transport=tcp, or turns: for TLS`,
    )
  return { kind: 'turn', host, port, transport, ...credentialsOf(text, match[2], given) }
}

/** RFC 7065 4.2 table: turns: is TLS over TCP; over UDP it would be DTLS. */
function turnTransport(scheme: string, parameter: string | undefined): TurnTransport | undefined {
  if (scheme === 'turns') return parameter === undefined || parameter === 'tcp' ? 'tls' : undefined
  if (parameter === undefined || parameter === 'udp') return 'udp'
  return parameter === 'tcp' ? 'tcp' : undefined
}

function credentialsOf(
  text: string,
  userinfo: string | undefined,
  given: Omit<IceServerConfig, 'urls'>,
): { username: string; password?: string; secret?: string } {
  const colon = userinfo?.indexOf(':') ?? -1
  let username: string | undefined
  let password: string | undefined
  try {
    if (userinfo) username = decodeURIComponent(colon < 0 ? userinfo : userinfo.slice(0, colon))
    if (userinfo && colon >= 0) password = decodeURIComponent(userinfo.slice(colon + 1))
  } catch {
    throw new UsageError(
      `"${withoutPassword(text)}" has a "%" that escapes nothing in user or password: write it as %25`,
    )
  }
  username ??= given.username ?? ''
  password ??= given.credential
  if (password !== undefined && username) return { username, password }
  if (given.secret) return { username, secret: given.secret }
  throw new UsageError(
    `"${withoutPassword(text)}" needs credentials: write turn:user:password@host, or give user and password, or a secret`,
  )
}

/** "turn:user:password@host" with what comes before "@" hidden, or what stands for a port and is none where "@host" was forgotten. */
const withoutPassword = (text: string): string =>
  text.includes('@')
    ? text.replace(/^((?:stuns?|turns?):)?.*@/i, '$1…@')
    : text.replace(/^(turns?:[^:[]*:)(?!\d+(?:\?|$)).*/i, '$1…')

/** User name and password that a server with the same secret accepts until `expiresAt`, in seconds since 1970. */
function timeLimitedCredentials(
  secret: string,
  user: string,
  expiresAt: number,
): { username: string; password: string } {
  const username = user ? `${Math.floor(expiresAt)}:${user}` : `${Math.floor(expiresAt)}`
  return { username, password: createHmac('sha1', secret).update(username, 'utf8').digest('base64') }
}

export interface ResolvedServers {
  stunServers: TransportAddress[]
  turnServers: TurnServer[]
}

/** All addresses of all servers, in their order; passwords from secrets are made anew, so call it again for a later call.
 *  @param wallTimeMs since 1970
 *  @param warn gets one sentence for a server that cannot be resolved: it costs a warning, never the call */
export async function resolveIceServers(
  servers: readonly NamedServer[],
  network: Pick<Network, 'resolve'>,
  wallTimeMs: number,
  warn: (message: string) => void,
): Promise<ResolvedServers> {
  const expiresAt = wallTimeMs / 1000 + credentialLifetimeSeconds
  const stunServers: TransportAddress[] = []
  const turnServers: TurnServer[] = []
  const resolved = await Promise.all(servers.map((server) => addressesOf(server, network, warn)))
  for (const [i, server] of servers.entries()) {
    for (const address of resolved[i]!) {
      if (server.kind === 'stun') stunServers.push(address)
      else turnServers.push({ address, ...reachableAs(server, expiresAt) })
    }
  }
  return { stunServers, turnServers }
}

function reachableAs(
  { host, transport, username, password, secret }: NamedServer & { kind: 'turn' },
  expiresAt: number,
): Omit<TurnServer, 'address'> {
  if (password !== undefined) return { transport, host, username, password }
  return { transport, host, ...timeLimitedCredentials(secret ?? '', username, expiresAt) }
}

async function addressesOf(
  { kind, host, port }: NamedServer,
  network: Pick<Network, 'resolve'>,
  warn: (message: string) => void,
): Promise<TransportAddress[]> {
  try {
    return (await network.resolve(host)).map((address) => ({ address, port }))
  } catch (error) {
    warn(`${kind.toUpperCase()} server ${host}: ${error instanceof Error ? error.message : error}`)
    return []
  }
}
