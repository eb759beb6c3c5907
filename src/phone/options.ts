// What users say to a phone and to a call, and how it is checked: every mistake is a UsageError in one sentence.
import type { Codec } from '../codec/codec.ts'
import { UsageError } from '../errors.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import { ptimeRangeMs } from '../sdp/negotiation.ts'
import type { ListeningPoint } from '../sip/flow.ts'
import type { Replaces } from '../sip/replaces.ts'
import type { PrivacyLevel } from '../sip/session.ts'
import type { TlsSettings } from '../sip/tls-settings.ts'
import { srtpSuites, suiteByName } from '../srtp/suite.ts'
import { type PlayoutDelayOption, playoutBounds } from '../stream/playout-bounds.ts'
import type { IceServer } from '../turn/ice-servers.ts'

/** auto: ICE with peers that speak it, symmetric RTP with others. require: no ICE, no call. relay: as require, and over TURN
 *  alone, so that the peer learns no address of ours. off: never offer ICE. */
export type IcePolicy = 'auto' | 'require' | 'relay' | 'off'
/** A relay is known only to a peer with ICE. */
export const requiresIce = (policy: IcePolicy): boolean => policy === 'require' || policy === 'relay'

/** half: an offer names all candidates, later ones follow where the peer takes them. full: an offer waits for no server; for
 *  peers that are known to trickle. off: only descriptions name candidates. */
export type TricklePolicy = 'half' | 'full' | 'off'

/** require: no call without SRTP. prefer: it is offered beside plain RTP (RFC 8643). off: it is neither offered nor taken. */
export type SrtpPolicy = 'require' | 'prefer' | 'off'

/** Who may call, and how many may at once. */
export interface CallerOptions {
  /** "sip:alice@example.com", "example.com", "192.0.2.0/24", "server" (the registrar), "authenticated" (by one of `callers`): who
   *  is none of these is refused. Default: everybody; but a phone that registers refuses strangers from the Internet who do
   *  not name its user. */
  allow?: string[]
  /** Passwords by user name, for callers that must authenticate. */
  callers?: Record<string, string>
  /** Incoming calls at once; more are told 486. Default 1,000. */
  maximumCalls?: number
  /** Incoming calls at once from one IP address that is not our registrar's; more are told 503. Default 100. */
  maximumCallsPerSource?: number
}

export interface PhoneOptions extends CallerOptions {
  /** Address of record, "sip:alice@pbx.example". Absent: an anonymous phone that neither registers nor authenticates. */
  account?: string
  displayName?: string
  /** Digest user name; the account's user part where absent. */
  username?: string
  password?: string
  /** Registrar and outbound proxy, "sip:pbx.example:5060;transport=tcp", "sips:pbx.example", "wss://pbx.example:8089/ws"; the
   *  account's domain where absent. Of several the first that works; all of them at once, each with a flow of its own, where they keep flows (RFC 5626). */
  server?: string | string[]
  /** Proxies that requests outside of a dialog pass behind `server`, in order (RFC 3261 8.1.2): "sip:edge.example;lr". A `server`
   *  with ";lr" is written into the Route as well. */
  route?: string[]
  /** DNS servers to ask instead of the system's, "192.0.2.53" or "192.0.2.53:5353". */
  dnsServers?: string[]
  /** Register at the server. Default: true where there is an account. 'in-background': starting does not wait for it, nor fail with
   *  it; `onRegistration` tells. */
  register?: boolean | 'in-background'
  /** A URN that tells this phone from others of the account, the same at each start (RFC 5626 4.1): what an earlier run has left at
   *  the registrar is then removed. Default: made of machine, account and port where `listen` names a port, else new each time. */
  instanceId?: string
  /** Lifetime asked for, in seconds. Default 300. */
  registerExpires?: number
  /** Where to listen for SIP: udp, tcp, tls, ws, wss. Default: UDP and TCP on free ports of every address, and TLS
   *  where there are `tls.cert` and `tls.key`, without which nobody can listen over it. */
  listen?: readonly ListeningPoint[]
  /** SIP over TLS: whom to trust, and who we are. */
  tls?: TlsSettings
  ice?: IcePolicy
  /** STUN and TURN servers: "stun:host:port" (RFC 7064), "turn:user:password@host?transport=tcp", "turns:…" (RFC 7065), or
   *  { urls, username, credential } as browsers take them, with `secret` instead of `credential` where the server makes
   *  time-limited passwords from one. Default none: nobody outside is asked unless you say so. */
  iceServers?: IceServer[]
  /** Be an ICE-lite agent (RFC 8445 2.5), which answers checks and makes none: for a phone at a public address. */
  iceLite?: boolean
  /** Offer ICE over TCP as well (RFC 6544). Default true. */
  iceTcp?: boolean
  /** Candidates after the description (RFC 8838, RFC 8840). Default "half". */
  trickle?: TricklePolicy
  /** Network interfaces for media, by name or address, and no others. Default: all but container bridges and the like; where
   *  signalling is on one of these, that one too. */
  interfaces?: string[]
  /** "http://user:password@proxy:3128": the way to TURN servers over TCP and TLS (CONNECT), where no other leads out. */
  httpProxy?: string
  /** Authorities to trust beside the system's when a TURN server speaks TLS, PEM. Default: `tls.ca`. */
  tlsCa?: string
  /** SRTP. Default: as "prefer" where signalling runs over TLS; elsewhere it is taken from those who offer it. */
  srtp?: SrtpPolicy
  /** How keys are offered: by a DTLS handshake over the media path, or in the SDP, for signalling that nobody reads along.
   *  Default: "dtls", and over TLS both. */
  srtpKeying?: 'dtls' | 'sdes'
  /** Suites that are offered with keys in the SDP, best first, by their names of RFC 4568. */
  srtpSuites?: string[]
  /** Codecs by RTP name ("opus:bitrate=24000:dtx" with settings), or as objects, `opusWith({ … })` or your own, best first: so they are offered, and of an offer those are taken, in the order of
   *  the far end (RFC 3264 6.1). Default opus, G722, PCMU, PCMA. */
  codecs?: readonly (string | Codec)[]
  /** Length of the packets to ask of the far end, in ms: 10, 20, ... 120. What is sent is as long as the far end asks for, and as
   *  this where it says nothing. Default 20, and in answers what the far end asks for. */
  ptimeMs?: Millis
  /** Offer and take DTMF as telephone-events (RFC 4733). Default true; false leaves it to the audio. */
  telephoneEvents?: boolean
  /** Send nothing while nobody speaks, but comfort noise (RFC 3389) to far ends that take it for the codec in use; and let them do the
   *  same. Default false: then comfort noise is not offered, but understood, and taken where it is offered. As Asterisk, baresip and
   *  linphone do by default: who is offered it may cut off soft words, and what is recorded of a pause is made up. Opus needs none of it
   *  (RFC 7587 has DTX). */
  silenceSuppression?: boolean
  /** How long received packets wait so that those held up on the way can be played: bounds of a delay that follows the jitter, or
   *  a number of ms for one that stays. Default { minimumMs: 20, maximumMs: 400 }. */
  playoutDelay?: PlayoutDelayOption
  /** How often calls prove that they still are (RFC 4028), in seconds: 90 or more, or 0 to leave it to the far end. Default 1800. */
  sessionExpiresSeconds?: number
  /** Write everything that passes the phone's sockets to this capture file (pcapng, for Wireshark), and what TLS and SRTP hide in
   *  the clear beside it: keep it as you would a password. */
  trace?: string
  /** What stands in User-Agent and Server headers. */
  userAgent?: string
  /** Gives up starting: `Phone.start` then rejects, and nothing is left open. */
  signal?: AbortSignal
  /** Threads that hold the sockets of media and send each packet at its time, whatever the program is about; all phones of the
   *  process share them, and each call goes to the one with the fewest sockets. 0: media leaves from the main thread, as it does
   *  where threads cannot be had. Counts in the real world alone. Default 0. */
  threads?: number
  /** Threads that encode Opus and G.722, for more calls than one core can encode; shared and chosen as those of `threads`. What
   *  is sent leaves a packet time later then. 0: the main thread encodes, as it does where threads cannot be had. Default 0. */
  codecThreads?: number
  /** The world to run in; the real one by default. */
  runtime?: Runtime
}

export interface CallOptions {
  /** What to stream once the call is answered and the path is open: a WAV or Ogg/Opus file, "tone:440", "silence". */
  play?: string
  /** Repeat `play` until the call ends. */
  loop?: boolean
  /** File for the received audio: WAV, or Ogg/Opus where the name ends in ".opus". */
  record?: string
  /** WAV file for both directions: what is sent on the left, what is heard on the right. */
  recordBoth?: string
  /** Find DTMF digits in the audio too. Default: where the far end takes no telephone-events, since it will hardly send any. */
  detectDtmf?: boolean
  /** As the phone's `ptimeMs`, for this call. */
  ptimeMs?: Millis
  /** Seconds of received audio kept in memory for `hasHeard`. Default 120. */
  keepHeardSeconds?: number
  /** Send silence while nothing is played, so that the far end and NATs see a stream. Default true. */
  silence?: boolean
  /** End the call when nothing has been received for this long although the peer should be sending. Default 30 s, and 45 s
   *  where the path has died and another is looked for; 0 never ends a call whose peer still answers on its path. */
  mediaTimeoutMs?: Millis
}

export interface DialOptions extends CallOptions {
  /** Give up ringing after this long. Default 180 s. */
  ringTimeoutMs?: Millis
  /** Late offer: the INVITE carries no offer, the far end's 200 does (RFC 3261 13.2.1). */
  lateOffer?: boolean
  /** How many redirections (3xx) to follow; 0 follows none, so that nobody learns of the call but whom it is for. Default 5. */
  redirects?: number
  /** The call of the far end whose place this one takes (RFC 3891); a far end that cannot do that refuses with 420. */
  replaces?: Replaces
  /** Referred-By, name-addr or URI (RFC 3892): who asked us to place this call. */
  referredBy?: string
  /** Hide who calls (RFC 3323, RFC 3325): "id", "header", "session", "user", "critical", or "none". */
  privacy?: readonly PrivacyLevel[]
  headers?: [string, string][]
}

export const defaults = {
  threads: 0,
  codecThreads: 0,
  registerExpires: 300,
  redirects: 5,
  srtpSuites: ['AES_CM_128_HMAC_SHA1_80'],
  codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
  keepHeardSeconds: 120,
  mediaTimeoutMs: 30_000,
  /** How long lost media is looked for: longer than the 30 s that a link may be gone, since the call itself is still there. */
  recoveryLimitMs: 45_000,
  /** A person waits for this: what has not been gathered by then is left out (RFC 8445 leaves the limit to us). */
  gatherLimitMs: 500,
  /** An INVITE of floe takes 780 octets without candidates and codecs; above 1300 it would have to go over TCP (RFC 3261 18.1.1). */
  candidateBudgetBytes: 520,
  answerBudgetBytes: 800,
  /** What the routes of a dialog take of that. */
  dialogBytes: 250,
  /** With relays: one of them for RTP and RTCP each must be told whatever it takes, beside the host and the reflexive candidate.
   *  With short names the INVITE still stays below 1300, with others it is one packet of an Ethernet. */
  relayBudgetBytes: 120,
} as const

/** More would only share the same cores. */
const mostThreads = 64

/** Throws UsageError where it is no number of threads. */
export function threadsOf(options: PhoneOptions, name: 'threads' | 'codecThreads'): number {
  const count = options[name] ?? defaults[name]
  if (Number.isInteger(count) && count >= 0 && count <= mostThreads) return count
  throw new UsageError(`${name} is ${count}: use a whole number from 0 to ${mostThreads}`)
}

/** Throws UsageError where no packet can be that long. */
export function checkPtime({ ptimeMs }: { ptimeMs?: Millis }): void {
  const { from, to, step } = ptimeRangeMs
  if (ptimeMs === undefined || (ptimeMs >= from && ptimeMs <= to && ptimeMs % step === 0)) return
  throw new UsageError(
    `packet time ${ptimeMs} ms is not possible: use a multiple of ${step} from ${from} to ${to}`,
  )
}

/** Throws UsageError where a suite is named that nobody knows, or a delay or a packet time that cannot be. */
export function checkMedia(options: PhoneOptions): void {
  checkPtime(options)
  playoutBounds(options.playoutDelay)
  for (const name of options.srtpSuites ?? [])
    if (!suiteByName(name))
      throw new UsageError(
        `SRTP suite ${name} is unknown: use ${srtpSuites.map((suite) => suite.name).join(', ')}`,
      )
}
