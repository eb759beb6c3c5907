// The flags that several verbs share, their environment variables and the profile file, and how they become options of
// the library. A password comes from FLOE_PASSWORD, a profile, or --as; TURN's from FLOE_TURN_PASSWORD, FLOE_TURN_SECRET, a
// profile, or --turn. None is ever printed.
import { type Command, Option } from 'commander'
import {
  type CallOptions,
  defaultPorts,
  type IcePolicy,
  type IceServer,
  nodeRuntime,
  openSound,
  type PhoneOptions,
  type Protocol,
  type SrtpPolicy,
  type TricklePolicy,
  UsageError,
} from '../index.ts'
import { readProfile, withoutUndefined } from './profile.ts'
import { readAuthorities, type TlsFlags, tlsFlags, tlsSettings } from './tls-flags.ts'

export interface PhoneFlags extends TlsFlags {
  as?: string
  profile?: string
  server?: string
  transport?: Protocol
  route?: string[]
  dns?: string[]
  bind?: string
  ice?: IcePolicy
  stun?: string[]
  turn?: string[]
  httpProxy?: string
  trickle?: TricklePolicy
  iceLite?: boolean
  iceTcp?: boolean
  interface?: string[]
  codec?: string[]
  ptime?: number
  silenceSuppression?: boolean
  trace?: string
  srtp?: SrtpPolicy
  srtpKeying?: 'dtls' | 'sdes'
  srtpSuite?: string[]
  threads?: number
}

interface Profile extends PhoneFlags {
  username?: string
  password?: string
  turnPassword?: string
  turnSecret?: string
}

export interface MediaFlags {
  play?: string
  loop?: boolean
  record?: string
  recordBoth?: string
  pcmRate?: number
  hear?: string[]
  dtmf?: string
  dtmfBy?: 'rtp' | 'info' | 'info-relay' | 'audio'
  detectDtmf?: boolean
  expectDtmf?: string
  for?: number
}

export interface OutputFlags {
  output?: 'text' | 'json'
  verbose?: boolean
}

export const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** Who you are, and the servers on the way. */
export function serverFlags(command: Command): Command {
  command
    .option(
      '--as <account>',
      'who you are: alice@host or alice:password@host (password better in FLOE_PASSWORD)',
    )
    .option('--profile <name>', 'take account and settings from the profile file')
    .option(
      '--server <uri>',
      "registrar and outbound proxy, if not the account's host: host:port, sip:host;transport=tls or wss://host:8089/ws",
    )
    .addOption(
      new Option('--transport <protocol>', 'SIP over this protocol').choices(Object.keys(defaultPorts)),
    )
    .option(
      '--route <uri>',
      'proxy that calls and registrations pass, behind the server where there is one: sip:edge.example;lr; repeat for several, in order',
      collect,
    )
    .option(
      '--dns <server>',
      "DNS server to ask instead of the system's: ADDRESS or ADDRESS:PORT; repeat for several",
      collect,
    )
    .option('--stun <server>', 'STUN server, host or host:port; repeat for several', collect)
    .option(
      '--turn <uri>',
      'TURN server, turn:user@host or turns:user@host:443?transport=tcp, with the password in FLOE_TURN_PASSWORD or the shared secret in FLOE_TURN_SECRET; repeat for several',
      collect,
    )
    .option('--http-proxy <url>', 'reach TURN servers over TCP and TLS through this proxy: http://host:port')
    .option(
      '--interface <name>',
      'network interface for media, by name or address, and no others; repeat for several',
      collect,
    )
  return tlsFlags(command)
}

export function phoneFlags(command: Command): Command {
  return serverFlags(command)
    .option('--bind <address>', 'local address for SIP: 192.0.2.1, 192.0.2.1:5060 or :5060')
    .addOption(
      new Option(
        '--ice <policy>',
        'ICE with peers that speak it (auto), with all or no call (require), over TURN alone (relay), never (off)',
      ).choices(['auto', 'require', 'relay', 'off']),
    )
    .addOption(
      new Option(
        '--trickle <mode>',
        'candidates after the description: where the peer takes them (half), always (full), never (off)',
      ).choices(['half', 'full', 'off']),
    )
    .option('--ice-lite', 'be an ICE-lite agent, at a public address')
    .addOption(new Option('--ice-tcp').hideHelp())
    .option('--no-ice-tcp', 'offer no ICE candidates for TCP')
    .option(
      '--codec <name>',
      'offer these codecs, best first: opus, G722, PCMU, PCMA (all, in this order, by default); repeat for several; opus:bitrate=24000:dtx and the like set Opus',
      collect,
    )
    .option(
      '--ptime <ms>',
      'ask the far end for packets of 10, 20, ... 120 ms (20 by default); what is sent is what the far end asks for',
      wholeNumber(10, 120),
    )
    .option(
      '--silence-suppression',
      'send nothing while nobody speaks, but comfort noise where the far end takes it',
    )
    .option('--trace <file>', 'write a capture file (pcapng) of everything that is sent and received')
    .addOption(
      new Option(
        '--srtp <policy>',
        'no call without SRTP (require), SRTP where the far end can (prefer), none (off)',
      ).choices(['require', 'prefer', 'off']),
    )
    .addOption(
      new Option('--srtp-keying <way>', 'offer keys by a DTLS handshake (dtls) or in the SDP (sdes)').choices(
        ['dtls', 'sdes'],
      ),
    )
    .option('--srtp-suite <name>', 'with sdes, offer these suites, best first; repeat for several', collect)
    .option(
      '--threads <count>',
      'media sockets in so many threads, which send each packet at its time: for hundreds of calls at once',
      wholeNumber(0, 64),
    )
}

/** Raw sound on standard input or output, in the place of a file. */
export const isPiped = (name: string | undefined): boolean => name === '-'

export function mediaFlags(command: Command): Command {
  return command
    .option(
      '--play <what>',
      'stream a WAV or Ogg/Opus file, tone:440, tone:425,0.5s,0.5s, busy:de, dtmf:12# or silence',
    )
    .option('--loop', 'repeat what is played until the call ends')
    .option('--record <file>', 'write the received audio to a WAV file, or to Ogg/Opus (.opus)')
    .option('--record-both <file>', 'write both directions to a stereo WAV file: sent left, received right')
    .option(
      '--pcm-rate <hz>',
      'of raw 16-bit mono PCM, with --play - and --record - on standard input and output (default: 16000)',
      wholeNumber(8_000, 48_000),
    )
    .option('--hear <what>', 'fail unless this file or tone is heard; repeat for several', collect)
    .option('--dtmf <digits>', 'send these digits once connected; w waits half a second', parseDigits)
    .addOption(
      new Option(
        '--dtmf-by <way>',
        'send digits as telephone-events (rtp), by INFO with application/dtmf (info) or application/dtmf-relay (info-relay), as tones in the audio (audio)',
      ).choices(['rtp', 'info', 'info-relay', 'audio']),
    )
    .option('--expect-dtmf <digits>', 'fail unless these digits are received', parseExpectedDigits)
    .option(
      '--detect-dtmf',
      'find digits in the audio too, as is done where the far end takes no telephone-events',
    )
    .option('--for <time>', 'hang up this long after the answer: 10s, 500ms, 2m', parseDuration)
}

export function outputForm(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <form>', 'text, or json: one object a line').choices(['text', 'json']),
  )
}

export function outputFlags(command: Command): Command {
  return outputForm(command).option(
    '-v, --verbose',
    'show the ladder: every message and milestone as it happens',
  )
}

/** "10s", "500ms", "2m", "10" (seconds) in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  if (!match) throw new UsageError(`"${text}" is not a time: write 10s, 500ms or 2m`)
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1_000
  return Number(match[1]) * unit
}

/** A whole number from `from` to `to`. */
export const wholeNumber =
  (from: number, to: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < from || value > to)
      throw new UsageError(`"${text}" is not a whole number from ${from} to ${to}`)
    return value
  }

function parseDigits(text: string): string {
  if (!/^[0-9A-D*#w]+$/i.test(text))
    throw new UsageError(`"${text}" is not DTMF: use 0-9 A-D * # and w to wait`)
  return text
}

function parseExpectedDigits(text: string): string {
  if (!/^[0-9A-D*#]+$/i.test(text)) throw new UsageError(`"${text}" is not DTMF: use 0-9 A-D * #`)
  return text.toUpperCase()
}

/** A file that cannot be, or cannot be decoded, is told before anybody is rung. */
export async function checkSounds({ play, hear = [] }: MediaFlags): Promise<void> {
  const played = play === undefined || isPiped(play) ? [] : [play]
  for (const spec of [...played, ...hear]) {
    const sound = openSound(spec, nodeRuntime.files)
    await sound.ready
    sound.close()
  }
}

export function phoneOptions(flags: PhoneFlags): PhoneOptions {
  const profile = (flags.profile === undefined ? {} : readProfile(flags.profile)) as Profile
  const merged = { ...profile, ...withoutUndefined(flags) }
  const as = merged.as ?? process.env['FLOE_ACCOUNT']
  const account = as === undefined ? undefined : parseAccount(as)
  const password = account?.password ?? process.env['FLOE_PASSWORD'] ?? profile.password
  const server = serverOption(merged.server, merged.transport, account?.host)
  const tls = tlsSettings(merged)
  return {
    ...(account && { account: `${account.scheme}:${account.user}@${account.host}` }),
    ...(password !== undefined && { password }),
    ...(profile.username !== undefined && { username: profile.username }),
    ...(server !== undefined && { server }),
    ...(tls && { tls }),
    ...(merged.route && { route: merged.route }),
    ...(merged.dns && { dnsServers: merged.dns }),
    ...(merged.ice !== undefined && { ice: merged.ice }),
    ...mediaPathOptions(merged),
    ...(merged.codec && {
      codecs: merged.codec.flatMap((c) => c.split(',')).map((c) => c.trim().toUpperCase()),
    }),
    ...(merged.ptime !== undefined && { ptimeMs: merged.ptime }),
    ...(merged.threads !== undefined && { threads: merged.threads }),
    ...(merged.silenceSuppression && { silenceSuppression: true }),
    ...(merged.bind !== undefined && { listen: parseBind(merged.bind, tls?.cert !== undefined) }),
  }
}

/** A TURN URI with a user and no password. */
const userAlone = /^(?:turns?:)?[^:@]+@/i

function mediaPathOptions(merged: Profile): PhoneOptions {
  const { srtp, srtpKeying, srtpSuite, trace } = merged
  const { stun = [], turn = [], httpProxy, tlsCa, trickle, iceLite, iceTcp, interface: interfaces } = merged
  const credential = process.env['FLOE_TURN_PASSWORD'] ?? merged.turnPassword
  const secret = process.env['FLOE_TURN_SECRET'] ?? merged.turnSecret
  if (merged.ice === 'relay' && turn.length === 0)
    throw new UsageError(
      '--ice relay needs a TURN server: give --turn USER@HOST, with its password in FLOE_TURN_PASSWORD',
    )
  if (credential === undefined && secret === undefined && turn.some((uri) => userAlone.test(uri)))
    throw new UsageError(
      '--turn needs a password: set FLOE_TURN_PASSWORD, or FLOE_TURN_SECRET where the server makes time-limited ones',
    )
  const withScheme = (scheme: RegExp, text: string, missing: string) =>
    scheme.test(text) ? text : `${missing}:${text}`
  const iceServers: IceServer[] = [
    ...stun.map((server) => withScheme(/^stuns?:/i, server, 'stun')),
    ...turn.map((server) => ({
      urls: withScheme(/^turns?:/i, server, 'turn'),
      ...(credential !== undefined && { credential }),
      ...(secret !== undefined && { secret }),
    })),
  ]
  return {
    ...(iceServers.length > 0 && { iceServers }),
    ...(httpProxy !== undefined && { httpProxy }),
    ...(tlsCa !== undefined && { tlsCa: readAuthorities(tlsCa) }),
    ...(trickle !== undefined && { trickle }),
    ...(iceLite !== undefined && { iceLite }),
    ...(iceTcp !== undefined && { iceTcp }),
    ...(interfaces !== undefined && { interfaces }),
    ...(trace !== undefined && { trace }),
    ...(srtp !== undefined && { srtp }),
    ...(srtpKeying !== undefined && { srtpKeying }),
    ...(srtpSuite !== undefined && { srtpSuites: srtpSuite.map((name) => name.toUpperCase()) }),
  }
}

export function callOptions(flags: MediaFlags): CallOptions {
  return {
    ...(flags.play !== undefined && !isPiped(flags.play) && { play: flags.play }),
    ...(flags.loop && { loop: true }),
    ...(flags.record !== undefined && !isPiped(flags.record) && { record: flags.record }),
    ...(flags.recordBoth !== undefined && { recordBoth: flags.recordBoth }),
    ...(flags.detectDtmf && { detectDtmf: true }),
  }
}

/** "bob@host" with --transport tcp becomes "sip:bob@host;transport=tcp". */
export function withTransport(target: string, transport: Protocol | undefined): string {
  return transport === undefined || /;transport=|^wss?:/i.test(target)
    ? target
    : `${target};transport=${transport}`
}

/** "alice@host", "alice:password@host", "sips:alice@host:5080". The password may hold any character but the last "@". */
export function parseAccount(text: string): {
  scheme: 'sip' | 'sips'
  user: string
  host: string
  password?: string
} {
  const [, scheme, user, password, host] = /^(?:(sips?):)?([^:@\s]+)(?::(.*))?@([^@\s]+)$/is.exec(text) ?? []
  if (!user || !host) {
    // The text may hold a password: never repeat it.
    throw new UsageError('--as does not name an account: write alice@host or alice:password@host')
  }
  return {
    scheme: scheme?.toLowerCase() === 'sips' ? 'sips' : 'sip',
    user,
    host,
    ...(password !== undefined && { password }),
  }
}

function serverOption(
  server: string | undefined,
  transport: string | undefined,
  host: string | undefined,
): string | undefined {
  const base = server ?? (transport === undefined ? undefined : host)
  if (base === undefined) return undefined
  if (/^wss?:\/\//i.test(base)) return base
  const uri = /^sips?:/i.test(base) ? base : `sip:${base}`
  return transport === undefined || /;transport=/i.test(uri) ? uri : `${uri};transport=${transport}`
}

/** @param withTls on the next port too */
function parseBind(text: string, withTls: boolean): PhoneOptions['listen'] & object {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]*)|([0-9a-f:]*:[0-9a-f:.]*:[0-9a-f:.]*))(?::(\d{1,5}))?$/i.exec(
    text,
  )
  const port = match?.[4] === undefined ? 0 : Number(match[4])
  if (!match || port > 65_535)
    throw new UsageError(`--bind "${text}" is not an address: write 192.0.2.1, 192.0.2.1:5060 or :5060`)
  const address = match[1] ?? match[3] ?? (match[2] || '0.0.0.0')
  return [
    { protocol: 'udp', address, port },
    { protocol: 'tcp', address, port },
    ...(withTls ? [{ protocol: 'tls' as const, address, port: nextPort(port) }] : []),
  ]
}

/** Where the same is spoken over TLS; of a port that the system chooses, another one. */
export const nextPort = (port: number): number => (port === 0 ? 0 : port + 1)
