// The ladder of a call: SIP messages as arrows between us and the far end, and between them the milestones of SDP, ICE
// and media, each with its time after the INVITE. Text only; every fact gives one line or none.

import { formatAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type {
  CallFact,
  Fact,
  IceFact,
  MediaFact,
  PairFact,
  SdpFact,
  SipFact,
  SrtpFact,
} from '../trace/facts.ts'
import { handedOverMilestone } from './handed-over.ts'
import { origin } from './selecting.ts'

const timeWidth = 10
/** Columns between the two vertical lines. */
const laneWidth = 44

export const ladder = (facts: readonly Fact[]): string[] => {
  const start = origin(facts)
  const lines = facts.flatMap((fact) => formatFact(fact, start) ?? [])
  if (lines.length === 0) return []
  return [`${'ms'.padStart(timeWidth)}  us${' '.repeat(laneWidth - 8)}far end`, ...lines]
}

/** One line of the ladder; undefined for facts that it leaves out. `startedAt` is what times count from. */
export const formatFact = (fact: Fact, startedAt: Millis): string | undefined => {
  const time = (fact.at - startedAt).toFixed(1).padStart(timeWidth)
  if (fact.layer === 'sip' && fact.type === 'message') return `${time}  ${arrow(fact)}`
  const text = milestone(fact)
  return text === undefined ? undefined : `${time}  ·  ${text}`
}

/** Methods whose bodies are session descriptions, as far as this phone knows. */
const describing = new Set(['INVITE', 'ACK', 'UPDATE', 'PRACK'])

type SipMessage = Extract<SipFact, { type: 'message' }>

const arrow = (message: SipMessage): string => {
  const room = laneWidth - 5
  const label = ` ${message.summary.length > room - 4 ? `${message.summary.slice(0, room - 5)}…` : message.summary} `
  const line = '─'.repeat(laneWidth - label.length - 3)
  const lane = message.direction === 'sent' ? `│──${label}${line}▶│` : `│◀${line}${label}──│`
  const notes = [
    `${message.protocol} ${formatAddress(message.remote)}`,
    `${message.lengthBytes} bytes`,
    ...(message.hasBody ? [describing.has(message.method) ? 'SDP' : 'body'] : []),
    ...(message.retransmission ? ['again'] : []),
  ]
  return `${lane}  ${notes.join(', ')}`
}

const milestone = (fact: Fact): string | undefined => {
  switch (fact.layer) {
    case 'sip':
      return fact.type === 'dropped'
        ? `! SIP from ${formatAddress(fact.remote)} dropped: ${fact.reason}`
        : undefined
    case 'call':
      return callMilestone(fact)
    case 'sdp':
      return sdpMilestone(fact)
    case 'ice':
      return iceMilestone(fact)
    case 'srtp':
      return srtpMilestone(fact)
    case 'rtp':
    case 'audio':
      return mediaMilestone(fact)
  }
}

const callMilestone = (fact: CallFact): string | undefined => {
  if (fact.type === 'warning') return `! ${fact.message}`
  if (fact.type === 'hold') return holdText(fact)
  if (fact.type === 'redirect' || fact.type === 'transfer') return handedOverMilestone(fact)
  if (fact.type === 'identity' || (fact.state !== 'answered' && fact.state !== 'ended')) return undefined
  if (fact.state === 'answered') return 'call answered'
  const by = fact.by === 'local' ? 'us' : fact.by === 'remote' ? 'the far end' : 'the network'
  const status = fact.status ? ` ${fact.status}` : ''
  return `call ended by ${by}:${status} ${fact.reason ?? ''}`.trimEnd()
}

const holdText = ({ local, remote }: { local: boolean; remote: boolean }): string => {
  const holders = [...(local ? ['us'] : []), ...(remote ? ['the far end'] : [])]
  return holders.length > 0 ? `call held by ${holders.join(' and ')}` : 'call resumed'
}

const sdpMilestone = (fact: SdpFact): string => {
  switch (fact.type) {
    case 'description': {
      const at = fact.audio ? formatAddress(fact.audio) : 'no address'
      const ice = fact.ice === 'none' ? 'no ICE' : `ICE ${fact.ice}, ${count(fact.candidates, 'candidate')}`
      const mux = fact.rtcpMux ? ', rtcp-mux' : ''
      const codecs = fact.codecs.map((codec) => codec.split('/')[0]).join(' ')
      return `SDP ${fact.kind} ${fact.direction}: ${codecs} at ${at}, ${fact.mediaDirection}, ${ice}${mux}`
    }
    case 'negotiated':
      return `SDP agreed: ${fact.codec} (${fact.payloadType}), ${fact.ptimeMs} ms, ${fact.mediaDirection}`
    case 'problem':
      return `! SDP: ${fact.message} (${fact.section})`
  }
}

const pairText = (pair: PairFact): string =>
  `component ${pair.component} ${pair.local.type} ${formatAddress(pair.local.address)} -> ${pair.remote.type} ${formatAddress(pair.remote.address)}${pair.transport ? ' over TCP' : ''}`

const srtpMilestone = (fact: SrtpFact): string => {
  switch (fact.type) {
    case 'keyed':
      return `SRTP: ${fact.suite}, keys ${fact.by === 'dtls' ? 'by DTLS' : 'in the SDP'}`
    case 'failed':
      return `! no keys for SRTP: ${fact.reason}`
    case 'refused':
      return `! SRTP refused: ${Object.entries(fact.packets)
        .map(([why, n]) => `${n} ${why}`)
        .join(', ')}`
  }
}

const iceMilestone = (fact: IceFact): string | undefined => {
  switch (fact.type) {
    case 'mode':
      return `ICE ${fact.mode}${fact.role ? `, we are ${fact.role}` : ''}`
    case 'candidate':
      return undefined
    case 'server':
      return `${(fact.protocol ?? 'stun').toUpperCase()} ${formatAddress(fact.server)} ${fact.detail ?? fact.outcome} after ${fact.afterMs.toFixed(1)} ms`
    case 'gathered':
      return `ICE gathered ${count(fact.candidates, 'candidate')} in ${fact.afterMs.toFixed(1)} ms`
    case 'pair':
      return `ICE pair ${fact.state}: ${pairText(fact)}${fact.detail ? `: ${fact.detail}` : ''}`
    case 'selected':
      return `ICE selected ${pairText(fact)} (${fact.why})`
    case 'state':
      return fact.state === 'closed' ? undefined : `ICE ${fact.state}${fact.reason ? `: ${fact.reason}` : ''}`
    case 'role-conflict':
      return `ICE role conflict: now ${fact.now}`
    case 'consent-lost':
      return `! ICE consent lost on component ${fact.component}`
    case 'restart':
      return `ICE restart by ${fact.by === 'local' ? 'us' : 'the far end'}: ${fact.why}`
  }
}

const mediaMilestone = (fact: MediaFact): string | undefined => {
  switch (fact.type) {
    case 'first-sent':
      return `RTP first packet to ${formatAddress(fact.to)}`
    case 'first-received':
      return `RTP first packet from ${formatAddress(fact.from)}, payload type ${fact.payloadType}`
    case 'resumed':
      return `RTP again, after ${(fact.silentMs / 1000).toFixed(1)} s of silence`
    case 'latched': {
      const signalled = fact.signalled ? `, signalled was ${formatAddress(fact.signalled)}` : ''
      return `RTP latched to ${formatAddress(fact.from)}${signalled}`
    }
    case 'statistics':
      return undefined
    case 'play-started':
      return `playing ${fact.what}`
    case 'play-ended':
      return `stopped playing ${fact.what}`
    case 'first-heard':
      return `first audio heard, ${fact.levelDbfs.toFixed(0)} dBFS`
    case 'dtmf':
      return `DTMF ${fact.digit} ${fact.direction}${fact.by === 'audio' ? ' in the audio' : ''}`
    case 'recording':
      return `recorded ${(fact.durationMs / 1000).toFixed(1)} s to ${fact.path}`
    case 'hearing':
      return `${fact.heard ? 'heard' : '! not heard:'} ${fact.expected} (${fact.detail})`
  }
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
