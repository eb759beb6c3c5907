// Traces of calls, written by hand: what the layers record when a call goes well, with pieces to replace or leave out.
import type { Fact, FactBody, StreamStatistics } from '../../../src/trace/facts.ts'

const us = { address: '192.0.2.1', port: 5060 }
export const server = { address: '198.51.100.9', port: 5060 }
const media = { address: '192.0.2.1', port: 40000 }
const theirMedia = { address: '198.51.100.9', port: 27110 }

/** Facts one after another, `stepMs` apart unless a number sets the time. */
export const trace = (...bodies: (FactBody | number)[]): Fact[] => {
  const facts: Fact[] = []
  let at = 1000
  for (const body of bodies) {
    if (typeof body === 'number') at = 1000 + body
    else facts.push({ at, ...body })
  }
  return facts
}

export const sip = (
  direction: 'sent' | 'received',
  summary: string,
  over: Partial<Extract<FactBody, { layer: 'sip'; type: 'message' }>> = {},
): FactBody => {
  const status = /^\d{3}/.exec(summary)?.[0]
  return {
    layer: 'sip',
    type: 'message',
    direction,
    summary,
    method: status ? 'INVITE' : summary.split(' ')[0]!,
    ...(status ? { status: Number(status) } : {}),
    callId: 'c1',
    cseq: 1,
    protocol: 'udp',
    local: us,
    remote: server,
    lengthBytes: 700,
    retransmission: false,
    hasBody: false,
    ...over,
  }
}

export const identity = (direction: 'outgoing' | 'incoming' = 'outgoing'): FactBody => ({
  layer: 'call',
  type: 'identity',
  direction,
  local: 'sip:alice@example.com',
  remote: 'sip:bob@example.com',
  callId: 'c1',
})

export const state = (
  name: 'calling' | 'ringing' | 'answered' | 'ended',
  why: { status?: number; reason?: string; by?: 'local' | 'remote' | 'network' } = {},
): FactBody => ({ layer: 'call', type: 'state', state: name, ...why })

export const description = (
  direction: 'sent' | 'received',
  kind: 'offer' | 'answer',
  over: Partial<Extract<FactBody, { type: 'description' }>> = {},
): FactBody => ({
  layer: 'sdp',
  type: 'description',
  direction,
  kind,
  lengthBytes: 420,
  audio: direction === 'sent' ? media : theirMedia,
  mediaDirection: 'sendrecv',
  codecs: ['PCMU/8000', 'telephone-event/8000'],
  ice: 'full',
  candidates: 1,
  rtcpMux: true,
  ...over,
})

export const negotiated = (over: Partial<Extract<FactBody, { type: 'negotiated' }>> = {}): FactBody => ({
  layer: 'sdp',
  type: 'negotiated',
  codec: 'PCMU',
  payloadType: 0,
  receivePayloadType: 0,
  ptimeMs: 20,
  telephoneEvent: true,
  mediaDirection: 'sendrecv',
  remoteRtp: theirMedia,
  rtcpMux: true,
  ice: true,
  ...over,
})

export const candidate = (side: 'local' | 'remote', address: string, kind = 'host'): FactBody => ({
  layer: 'ice',
  type: 'candidate',
  side,
  candidate: `1 1 UDP 2130706431 ${address} 40000 typ ${kind}`,
  kind,
  address: { address, port: 40000 },
})

const path = {
  stream: 0,
  component: 1 as const,
  local: { type: 'host', address: media },
  remote: { type: 'host', address: theirMedia },
}

export const iceState = (
  name: 'checking' | 'connected' | 'completed' | 'failed',
  reason?: string,
): FactBody => ({ layer: 'ice', type: 'state', state: name, ...(reason === undefined ? {} : { reason }) })

export const ice: (FactBody | number)[] = [
  { layer: 'ice', type: 'mode', mode: 'full', role: 'controlling' },
  candidate('local', '192.0.2.1'),
  candidate('remote', '198.51.100.9'),
  iceState('checking'),
]

export const nominated: (FactBody | number)[] = [
  { layer: 'ice', type: 'pair', state: 'succeeded', rttMs: 3.25, checksSent: 2, ...path },
  { layer: 'ice', type: 'selected', why: 'highest priority pair that works', checksSent: 2, ...path },
  iceState('completed'),
]

export const failedPair: FactBody = {
  layer: 'ice',
  type: 'pair',
  state: 'failed',
  checksSent: 7,
  detail: 'no response',
  ...path,
}

export const statistics = (
  over: {
    sent?: number
    received?: Partial<StreamStatistics['received']>
    remote?: StreamStatistics['remote']
    roundTripMs?: number
    quality?: StreamStatistics['quality']
    dropped?: Record<string, number>
  } = {},
): FactBody => ({
  layer: 'rtp',
  type: 'statistics',
  statistics: {
    sent: { packets: over.sent ?? 200, octets: (over.sent ?? 200) * 160, ssrc: 1 },
    received: {
      packets: 198,
      octets: 31680,
      ssrc: 2,
      expected: 200,
      lost: 2,
      lossPercent: 1,
      duplicates: 0,
      reordered: 0,
      late: 0,
      jitterMs: 1.234,
      levelDbfs: -18.04,
      heardMs: 3600,
      clippedSamples: 0,
      playout: {
        adaptive: true,
        delayMs: 40,
        targetDelayMs: 40,
        maximumDelayMs: 900,
        discarded: 0,
        stretchedMs: 0,
        shortenedMs: 0,
        concealedMs: 40,
      },
      ...over.received,
    },
    ...(over.roundTripMs === undefined ? {} : { roundTripMs: over.roundTripMs }),
    ...(over.quality ? { quality: over.quality } : {}),
    ...(over.remote ? { remote: over.remote } : {}),
    dropped: over.dropped ?? {},
  },
})

export const nothingReceived: Partial<StreamStatistics['received']> = {
  packets: 0,
  octets: 0,
  expected: 0,
  lost: 0,
  lossPercent: 0,
  jitterMs: 0,
  levelDbfs: Number.NEGATIVE_INFINITY,
  heardMs: 0,
  clippedSamples: 0,
}

export const invited: (FactBody | number)[] = [
  identity(),
  state('calling'),
  description('sent', 'offer'),
  sip('sent', 'INVITE sip:bob@example.com', { hasBody: true, lengthBytes: 1021 }),
]
export const answered: (FactBody | number)[] = [
  2,
  sip('received', '100 Trying'),
  12,
  sip('received', '180 Ringing'),
  state('ringing', { status: 180, reason: 'Ringing' }),
  120,
  sip('received', '200 OK', { hasBody: true }),
  description('received', 'answer'),
  negotiated(),
  sip('sent', 'ACK sip:bob@198.51.100.9'),
  state('answered', { status: 200, reason: 'OK' }),
]
export const heard: (FactBody | number)[] = [
  170,
  { layer: 'rtp', type: 'first-sent', to: theirMedia },
  { layer: 'audio', type: 'play-started', what: 'media/hello-8k.wav' },
  182,
  { layer: 'rtp', type: 'first-received', from: theirMedia, ssrc: 2, payloadType: 0 },
  205,
  { layer: 'audio', type: 'first-heard', levelDbfs: -21 },
]
export const hungUp: (FactBody | number)[] = [
  4200,
  sip('sent', 'BYE sip:bob@198.51.100.9'),
  state('ended', { by: 'local', status: 200, reason: 'hung up' }),
]

/** Answered, audio both ways, hung up by us. */
export const goodCall = (): Fact[] =>
  trace(
    ...invited,
    ...answered,
    ...ice,
    151,
    ...nominated,
    ...heard,
    4190,
    statistics({ remote: { lossPercent: 0, jitterMs: 0.5 }, roundTripMs: 3 }),
    ...hungUp,
  )

/** An answered call of four seconds with `between` in place of ICE and media. */
export const answeredCall = (...between: (FactBody | number)[]): Fact[] =>
  trace(...invited, ...answered, ...between, ...hungUp)
