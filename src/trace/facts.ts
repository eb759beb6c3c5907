// Typed facts that every layer records about a call, in time order. Everything explained later (ladder, report, verdict)
// is derived from these and nothing else. Facts are plain data: they survive JSON, and they never hold a secret.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'

export type SipFact =
  | {
      layer: 'sip'
      type: 'message'
      direction: 'sent' | 'received'
      /** "INVITE sip:bob@example.com" or "180 Ringing". */
      summary: string
      method: string
      status?: number
      callId: string
      cseq: number
      protocol: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'
      local: TransportAddress
      remote: TransportAddress
      lengthBytes: number
      retransmission: boolean
      hasBody: boolean
    }
  /** A message thrown away, and why: malformed, too large, rate limit, no transaction. */
  | { layer: 'sip'; type: 'dropped'; remote: TransportAddress; reason: string }

export type CallFact =
  | {
      layer: 'call'
      type: 'state'
      state: CallStateName
      status?: number
      reason?: string
      by?: 'local' | 'remote' | 'network'
    }
  | {
      layer: 'call'
      type: 'identity'
      direction: 'outgoing' | 'incoming'
      local: string
      remote: string
      callId: string
    }
  /** Who holds the call from now on (RFC 3264 8.4). */
  | { layer: 'call'; type: 'hold'; local: boolean; remote: boolean }
  /** A 3xx was followed (RFC 3261 8.1.3.4). */
  | { layer: 'call'; type: 'redirect'; status: number; target: string }
  /** We hand the far end over to `target`, or are handed over; with `status` once there is something to tell of it. */
  | {
      layer: 'call'
      type: 'transfer'
      role: 'transferor' | 'transferee'
      target: string
      status?: number
      reason?: string
    }
  /** One that begins with "no media received" tells of media that stopped without the call being ended. */
  | { layer: 'call'; type: 'warning'; message: string }

export type CallStateName = 'calling' | 'ringing' | 'early-media' | 'answered' | 'ended'

export type SdpFact =
  | {
      layer: 'sdp'
      type: 'description'
      direction: 'sent' | 'received'
      kind: 'offer' | 'answer'
      lengthBytes: number
      /** The default destination of the audio m-line (RFC 8839 4.2.1.2), absent where the m-line is refused (port 0). */
      audio?: TransportAddress
      mediaDirection: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
      codecs: string[]
      ice: 'none' | 'full' | 'lite' | 'mismatch'
      candidates: number
      rtcpMux: boolean
    }
  | {
      layer: 'sdp'
      type: 'negotiated'
      codec: string
      /** What we send, and what we expect to receive. */
      payloadType: number
      receivePayloadType: number
      /** Of what we send. */
      ptimeMs: number
      telephoneEvent: boolean
      /** Whether either end may send it in the place of silence (RFC 3389). */
      comfortNoise?: boolean
      /** What we may do: "sendonly" means that we send. */
      mediaDirection: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
      /** Where the peer says it listens; absent on old-style hold. */
      remoteRtp?: TransportAddress
      rtcpMux: boolean
      ice: boolean
    }
  | { layer: 'sdp'; type: 'problem'; message: string; section: string }

export interface PairFact {
  stream: number
  component: 1 | 2
  local: { type: string; address: TransportAddress }
  remote: { type: string; address: TransportAddress }
  /** RFC 6544; absent: UDP. */
  transport?: 'tcp'
}

export type IceFact =
  | {
      layer: 'ice'
      type: 'mode'
      mode: 'full' | 'off' | 'peer-without-ice' | 'peer-lite'
      role?: 'controlling' | 'controlled'
    }
  | {
      layer: 'ice'
      type: 'candidate'
      side: 'local' | 'remote'
      candidate: string
      kind: string
      address: TransportAddress
    }
  | {
      layer: 'ice'
      type: 'server'
      server: TransportAddress
      /** What was asked for; absent: STUN over UDP. */
      protocol?: 'stun' | 'turn-udp' | 'turn-tcp' | 'turn-tls'
      outcome: 'answered' | 'timeout' | 'error'
      afterMs: Millis
      /** The server's own, where it refused (RFC 8489 18.3, RFC 8656 19). */
      code?: number
      detail?: string
    }
  | { layer: 'ice'; type: 'gathered'; candidates: number; afterMs: Millis }
  | ({
      layer: 'ice'
      type: 'pair'
      state: 'succeeded' | 'failed'
      rttMs?: Millis
      checksSent: number
      detail?: string
    } & PairFact)
  | ({ layer: 'ice'; type: 'selected'; why: string; checksSent: number } & PairFact)
  | {
      layer: 'ice'
      type: 'state'
      state: 'gathering' | 'checking' | 'connected' | 'completed' | 'failed' | 'closed'
      reason?: string
    }
  | { layer: 'ice'; type: 'role-conflict'; now: 'controlling' | 'controlled' }
  | { layer: 'ice'; type: 'consent-lost'; stream: number; component: 1 | 2 }
  /** A new generation (RFC 8445 9): why, and who began it. The next `selected` fact ends it. */
  | { layer: 'ice'; type: 'restart'; by: 'local' | 'remote'; why: string }

export type MediaFact =
  | { layer: 'rtp'; type: 'first-sent'; to: TransportAddress }
  | { layer: 'rtp'; type: 'first-received'; from: TransportAddress; ssrc: number; payloadType: number }
  /** Media is back after an interruption that a listener noticed. */
  | { layer: 'rtp'; type: 'resumed'; silentMs: Millis }
  /** Symmetric RTP: media goes to where the peer's media really comes from. */
  | { layer: 'rtp'; type: 'latched'; from: TransportAddress; signalled?: TransportAddress }
  | { layer: 'rtp'; type: 'statistics'; statistics: StreamStatistics }
  | { layer: 'audio'; type: 'play-started'; what: string }
  | { layer: 'audio'; type: 'play-ended'; what: string }
  /** The first frame received whose level is above silence. */
  | { layer: 'audio'; type: 'first-heard'; levelDbfs: number }
  | {
      layer: 'audio'
      type: 'dtmf'
      direction: 'sent' | 'received'
      digit: string
      durationMs: Millis
      /** Absent: as a telephone-event. */
      by?: 'rtp' | 'info' | 'audio'
    }
  | { layer: 'audio'; type: 'recording'; path: string; durationMs: Millis }
  | { layer: 'audio'; type: 'hearing'; expected: string; heard: boolean; score: number; detail: string }

/** RFC 3550 6.4 and appendix A.3, A.8; both directions of one stream. */
export interface StreamStatistics {
  sent: {
    packets: number
    octets: number
    ssrc: number
    /** Packet times in which a packet was not ready, because the threads that encode had too much to do; absent: none. */
    delayedFrames?: number
  }
  received: {
    packets: number
    octets: number
    ssrc?: number
    expected: number
    lost: number
    lossPercent: number
    duplicates: number
    reordered: number
    late: number
    jitterMs: Millis
    /** Length of the packets that come, by their timestamps; absent until two have come in a row. */
    packetMs?: Millis
    /** Mean level of what was audible, dB relative to full scale; -Infinity (null in JSON) where nothing was. */
    levelDbfs: number
    /** Milliseconds of decoded audio above silence. */
    heardMs: Millis
    /** Decoded samples that are as loud as G.711 can say, -0.2 dBov: something on the way was too loud. */
    clippedSamples: number
    playout: PlayoutStatistics
  }
  /** From RTCP: what the far end's reports say of ours, SR or reference time (RFC 3550 6.4.1, RFC 3611 4.5). */
  roundTripMs?: Millis
  /** Of what is received; absent until something is. */
  quality?: QualityEstimate
  /** What the far end reports of our media, from RTCP RR, and from XR where it speaks that. */
  remote?: { lossPercent: number; jitterMs: Millis; quality?: RemoteQuality }
  /** Packets thrown away and why: unknown payload type, malformed, foreign SSRC, ... */
  dropped: Record<string, number>
}

/** What the jitter buffer makes of the packets received, in the words of RFC 3611 4.7.7; lengths of sound in ms. */
export interface PlayoutStatistics {
  /** Whether its delay follows the jitter. */
  adaptive: boolean
  /** How long a packet that took as long as most waits (JB nominal), and how long it is meant to. */
  delayMs: Millis
  targetDelayMs: Millis
  /** How long the earliest packet that is not discarded would wait: JB maximum, and JB absolute maximum. */
  maximumDelayMs: Millis
  /** Packets that came, too late or too early to be heard. */
  discarded: number
  stretchedMs: Millis
  shortenedMs: Millis
  /** Made up in place of what was not there in time: by the codec's means, or as silence. */
  concealedMs: Millis
}

/** Estimated from packets alone by the E-model (ITU-T G.107), on its narrow-band scale: how speech would sound. */
export interface QualityEstimate {
  /** R, with the delay where it is known: 93 at best, 50 is of no use. */
  rFactor: number
  /** Mean opinion scores, 1 to 4.5: of listening, and of a conversation, which needs the round trip. */
  mosListening: number
  mosConversational?: number
  /** From mouth to ear, one way: half the round trip, play-out and packet time. */
  delayMs?: Millis
  /** Of 100 packets that should have come: those that came too late to be played. */
  discardPercent: number
  /** Losses in a row, beside what chance would make of as many: 1 is chance (ITU-T G.107 7.5). */
  burstRatio: number
  /** Bursts of loss (RFC 3611 4.7.2), their mean duration, and how much is lost or late in them and between. */
  bursts: number
  burstMs: Millis
  burstLossPercent: number
  gapLossPercent: number
}

/** What the far end says of it in an XR (RFC 3611 4.7). */
export interface RemoteQuality {
  rFactor?: number
  mosListening?: number
  mosConversational?: number
  lossPercent: number
  discardPercent: number
  endSystemDelayMs: Millis
  jitterBufferMs: Millis
}

export type SrtpFact =
  /** There are keys: from SDP, or of a DTLS handshake with the certificate that SDP names, and our role in it. */
  | { layer: 'srtp'; type: 'keyed'; by: 'sdes' | 'dtls'; suite: string; role?: 'client' | 'server' }
  | { layer: 'srtp'; type: 'failed'; reason: string }
  /** Packets that were not what they claim to be, by what was wrong. */
  | { layer: 'srtp'; type: 'refused'; packets: Record<string, number> }

export type FactBody = SipFact | CallFact | SdpFact | IceFact | SrtpFact | MediaFact
/** `at` is the Clock's monotonic time. */
export type Fact = FactBody & { at: Millis }
