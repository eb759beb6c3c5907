// From the facts of a trace to the report of a call. Nothing here reads a clock: times are relative to the INVITE.
import { formatAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { CallFact, CallStateName, Fact, PairFact } from '../trace/facts.ts'
import type {
  CallReport,
  CandidateReport,
  CodecReport,
  HearingReport,
  IceReport,
  PairReport,
  ReportStatistics,
  RestartReport,
  Timings,
} from './call-report.ts'
import { handedOver } from './handed-over.ts'
import { all, first, last, ofPresentPeer, origin } from './selecting.ts'
import { judge } from './verdict.ts'

export type { CallReport } from './call-report.ts'

/** What is known about a call up to the last fact. Total: any sequence of facts gives a report. */
export const report = (facts: readonly Fact[]): CallReport => {
  const identity = last(facts, 'call', 'identity')
  const unjudged = {
    callId: identity?.callId ?? '',
    direction: identity?.direction ?? directionOf(facts),
    local: identity?.local ?? '',
    remote: identity?.remote ?? '',
    outcome: outcomeOf(facts),
    timings: timingsOf(facts),
    ...handedOver(facts),
    ...codecOf(facts),
    ...srtpOf(facts),
    ice: iceOf(facts),
    ...pairsOf(facts),
    media: mediaOf(facts),
    ...statisticsOf(facts),
    dtmf: { sent: digits(facts, 'sent'), received: digits(facts, 'received') },
    played: all(facts, 'audio', 'play-started').map((f) => f.what),
    recordings: all(facts, 'audio', 'recording').map(({ path, durationMs }) => ({ path, durationMs })),
    hearings: hearingsOf(facts),
  }
  return { ...unjudged, warnings: warningsOf(facts, unjudged.timings), verdict: judge(facts, unjudged) }
}

/** Plus zero, because JSON knows no -0. */
const tenths = (value: Millis): Millis => Math.round(value * 10) / 10 + 0

const directionOf = (facts: readonly Fact[]): 'outgoing' | 'incoming' =>
  first(facts, 'sip', 'message')?.direction === 'received' ? 'incoming' : 'outgoing'

const outcomeOf = (facts: readonly Fact[]): CallReport['outcome'] => {
  const state = last(facts, 'call', 'state')
  return {
    state: state?.state ?? 'calling',
    ...(state?.status === undefined ? {} : { status: state.status }),
    ...(state?.reason === undefined ? {} : { reason: state.reason }),
    ...(state?.by === undefined ? {} : { by: state.by }),
  }
}

const timingsOf = (facts: readonly Fact[]): Timings => {
  const start = origin(facts)
  const stateAt = (...states: CallStateName[]): Millis | undefined =>
    facts.find(
      (f): f is CallFact & { type: 'state'; at: Millis } =>
        f.layer === 'call' && f.type === 'state' && states.includes(f.state),
    )?.at
  const negotiated = first(facts, 'sdp', 'negotiated')?.at
  const nominated = nominatedAt(facts)
  const answered = stateAt('answered')
  const ended = stateAt('ended')
  const relative: [keyof Timings, Millis | undefined][] = [
    ['ringing', stateAt('ringing', 'early-media')],
    ['answered', answered],
    ['negotiated', negotiated],
    ['iceNominated', nominated],
    ['firstRtpSent', first(facts, 'rtp', 'first-sent')?.at],
    ['firstRtpReceived', first(facts, 'rtp', 'first-received')?.at],
    ['firstAudioHeard', first(facts, 'audio', 'first-heard')?.at],
    ['ended', ended],
  ]
  const timings: Timings = {}
  for (const [name, at] of relative) if (at !== undefined) timings[name] = tenths(at - start)
  if (nominated !== undefined && negotiated !== undefined) timings.iceMs = tenths(nominated - negotiated)
  const until = ended ?? facts.at(-1)?.at
  if (answered !== undefined && until !== undefined) timings.durationMs = tenths(until - answered)
  return timings
}

/** When the last component of the first round of ICE had its pair. */
const nominatedAt = (facts: readonly Fact[]): Millis | undefined => {
  const seen = new Set<string>()
  let at: Millis | undefined
  for (const fact of all(facts, 'ice', 'selected')) {
    const key = `${fact.stream} ${fact.component}`
    if (seen.has(key)) continue
    seen.add(key)
    at = fact.at
  }
  return at
}

const codecOf = (facts: readonly Fact[]): { codec?: CodecReport } => {
  const agreed = last(facts, 'sdp', 'negotiated')
  if (!agreed) return {}
  return {
    codec: {
      name: agreed.codec,
      payloadType: agreed.payloadType,
      receivePayloadType: agreed.receivePayloadType,
      ptimeMs: agreed.ptimeMs,
      telephoneEvent: agreed.telephoneEvent,
      ...(agreed.comfortNoise && { comfortNoise: true }),
      direction: agreed.mediaDirection,
      rtcpMux: agreed.rtcpMux,
    },
  }
}

const srtpOf = (facts: readonly Fact[]): Pick<CallReport, 'srtp'> => {
  const keyed = last(facts, 'srtp', 'keyed')
  return keyed ? { srtp: { by: keyed.by, suite: keyed.suite } } : {}
}

const iceOf = (facts: readonly Fact[]): IceReport => {
  const mode = last(facts, 'ice', 'mode')
  const present = ofPresentPeer(facts)
  const state = all(present, 'ice', 'state')
    .filter((f) => f.state !== 'closed')
    .at(-1)
  const role = last(present, 'ice', 'role-conflict')?.now ?? mode?.role
  const gathered = last(facts, 'ice', 'gathered')
  const candidates = (side: 'local' | 'remote'): CandidateReport[] =>
    all(facts, 'ice', 'candidate')
      .filter((f) => f.side === side)
      .map(({ kind, address }) => ({ kind, address }))
  return {
    mode: mode?.mode ?? 'none',
    ...(role ? { role } : {}),
    ...(state ? { state: state.state } : {}),
    ...(state?.reason === undefined ? {} : { reason: state.reason }),
    ...(gathered ? { gatheringMs: tenths(gathered.afterMs) } : {}),
    localCandidates: candidates('local'),
    remoteCandidates: candidates('remote'),
    servers: all(facts, 'ice', 'server').map(
      ({ server, protocol = 'stun', outcome, afterMs, code, detail }) => ({
        server: formatAddress(server),
        protocol,
        outcome,
        afterMs: tenths(afterMs),
        ...(code === undefined ? {} : { code }),
        ...(detail === undefined ? {} : { detail }),
      }),
    ),
    restarts: restartsOf(facts),
  }
}

const restartsOf = (facts: readonly Fact[]): RestartReport[] => {
  const restarts = all(facts, 'ice', 'restart')
  return restarts.map(({ at, by, why }, i) => {
    const until = restarts[i + 1]?.at ?? Number.POSITIVE_INFINITY
    const within = <T extends { at: Millis }>(list: readonly T[]): T | undefined =>
      list.find((fact) => fact.at >= at && fact.at < until)
    const selected = within(all(facts, 'ice', 'selected'))
    const resumed = within(all(facts, 'rtp', 'resumed'))
    return {
      atMs: tenths(at - origin(facts)),
      by,
      why,
      ...(selected ? { pathAfterMs: tenths(selected.at - at) } : {}),
      ...(resumed ? { silentMs: tenths(resumed.silentMs) } : {}),
    }
  })
}

const endText = (end: PairFact['local']): string => `${end.type} ${formatAddress(end.address)}`
const pairKey = (pair: PairFact): string =>
  `${pair.stream} ${pair.component} ${formatAddress(pair.local.address)} ${formatAddress(pair.remote.address)}`

const pairsOf = (facts: readonly Fact[]): Pick<CallReport, 'pairs' | 'selected'> => {
  const selected = new Map<string, Extract<Fact, { layer: 'ice'; type: 'selected' }>>()
  for (const fact of all(ofPresentPeer(facts), 'ice', 'selected'))
    selected.set(`${fact.stream} ${fact.component}`, fact)
  const chosen = new Set([...selected.values()].map(pairKey))
  const latest = new Map<string, Extract<Fact, { layer: 'ice'; type: 'pair' }>>()
  for (const fact of all(facts, 'ice', 'pair')) latest.set(pairKey(fact), fact)
  const pairs = [...latest.values()].map((fact): PairReport => {
    const { stream, component, local, remote, transport, state, checksSent } = fact
    const rttMs = fact.rttMs === undefined ? undefined : tenths(fact.rttMs)
    const isSelected = chosen.has(pairKey(fact))
    const fate =
      fact.detail ??
      (state === 'failed'
        ? 'failed'
        : `${isSelected ? 'selected' : 'works'}${rttMs === undefined ? '' : `, ${rttMs} ms`}`)
    return {
      stream,
      component,
      local,
      remote,
      ...(transport && { transport }),
      state,
      selected: isSelected,
      checksSent,
      ...(rttMs === undefined ? {} : { rttMs }),
      ...(fact.detail === undefined ? {} : { detail: fact.detail }),
      text: `${endText(local)} -> ${endText(remote)}${transport ? ' over TCP' : ''}: ${fate}`,
    }
  })
  return {
    pairs,
    selected: [...selected.values()].map((fact) => {
      const rttMs = latest.get(pairKey(fact))?.rttMs
      const { stream, component, local, remote, transport, why } = fact
      return {
        stream,
        component,
        local,
        remote,
        ...(transport && { transport }),
        why,
        ...(rttMs === undefined ? {} : { rttMs: tenths(rttMs) }),
      }
    }),
  }
}

const mediaOf = (facts: readonly Fact[]): CallReport['media'] => {
  const sent = first(facts, 'rtp', 'first-sent')
  const received = first(facts, 'rtp', 'first-received')
  const latched = last(facts, 'rtp', 'latched')
  // Since the peer's media came from elsewhere, ours goes there too.
  const sentTo = sent && (latched && latched.at >= sent.at ? latched.from : sent.to)
  return {
    ...(sentTo ? { sentTo } : {}),
    ...(received ? { receivedFrom: received.from } : {}),
    ...(latched ? { latchedFrom: latched.from } : {}),
  }
}

const statisticsOf = (facts: readonly Fact[]): { statistics?: ReportStatistics } => {
  const statistics = last(facts, 'rtp', 'statistics')?.statistics
  if (!statistics) return {}
  const { levelDbfs, playout, ...received } = statistics.received
  const level = Number.isFinite(levelDbfs) ? tenths(levelDbfs) : null
  return {
    statistics: {
      ...statistics,
      received: {
        ...received,
        jitterMs: tenths(received.jitterMs),
        levelDbfs: level,
        playout: {
          ...playout,
          delayMs: tenths(playout.delayMs),
          targetDelayMs: tenths(playout.targetDelayMs),
          stretchedMs: tenths(playout.stretchedMs),
          shortenedMs: tenths(playout.shortenedMs),
          concealedMs: tenths(playout.concealedMs),
        },
      },
    },
  }
}

const digits = (facts: readonly Fact[], direction: 'sent' | 'received'): string =>
  all(facts, 'audio', 'dtmf')
    .filter((f) => f.direction === direction)
    .map((f) => f.digit)
    .join('')

/** The last look for each thing expected: looking again is how one waits. */
const hearingsOf = (facts: readonly Fact[]): HearingReport[] => {
  const latest = new Map<string, HearingReport>()
  for (const { expected, heard, score, detail } of all(facts, 'audio', 'hearing'))
    latest.set(expected, { expected, heard, score, detail })
  return [...latest.values()]
}

const serverWarning = ({ server, protocol = 'stun', detail, outcome }: Extract<Fact, { type: 'server' }>) => {
  // What a TURN server says is a sentence that names it.
  if (detail !== undefined && protocol !== 'stun') return detail
  const name = `${protocol === 'stun' ? 'STUN' : 'TURN'} server ${formatAddress(server)}`
  return outcome === 'timeout'
    ? `the ${name} did not answer: check the address, and that UDP gets through`
    : `${name}: ${detail ?? outcome}`
}

/** Longer than this between answer and first packet, and a caller says hello into nothing. */
const lateMediaMs = 2_000
/** Heard as gaps by most listeners with G.711 (ITU-T G.113 appendix I). */
const badLossPercent = 5

const warningsOf = (facts: readonly Fact[], timings: Timings): string[] => {
  const warnings = all(facts, 'call', 'warning').map((f) => f.message)
  for (const { message, section } of all(facts, 'sdp', 'problem')) warnings.push(`${message} (${section})`)
  for (const server of all(facts, 'ice', 'server'))
    if (server.outcome !== 'answered') warnings.push(serverWarning(server))
  const { answered, firstRtpReceived } = timings
  if (answered !== undefined && firstRtpReceived !== undefined && firstRtpReceived - answered > lateMediaMs)
    warnings.push(`the first RTP packet arrived ${tenths(firstRtpReceived - answered)} ms after the answer`)
  const latched = last(facts, 'rtp', 'latched')
  if (latched?.signalled)
    warnings.push(
      `media comes from ${formatAddress(latched.from)}, not from the signalled ${formatAddress(latched.signalled)}`,
    )
  for (const [why, count] of Object.entries(last(facts, 'srtp', 'refused')?.packets ?? {}))
    warnings.push(`${count} encrypted packets refused: ${why}`)
  const statistics = last(facts, 'rtp', 'statistics')?.statistics
  const loss = statistics?.received.lossPercent ?? 0
  if (loss > badLossPercent) warnings.push(`${loss.toFixed(1)} % of the far end's packets were lost`)
  for (const [why, count] of Object.entries(statistics?.dropped ?? {}))
    if (/payload type/.test(why)) warnings.push(`${count} packets dropped: ${why}`)
  return [...new Set(warnings)]
}
