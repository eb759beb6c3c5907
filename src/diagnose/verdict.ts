// The decision tree from evidence to a verdict: answered? path? sent? routable? arrived? right payload type? silent? expected?
// The first question with a bad answer names the cause, because everything below it follows from it.
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Fact } from '../trace/facts.ts'
import type { ServerReport, UnjudgedReport, Verdict } from './call-report.ts'
import { type CauseCode, causes } from './causes.ts'
import { isPrivate } from './private-address.ts'
import { all, last, ofPresentPeer } from './selecting.ts'

type Failure = Extract<Verdict, { ok: false }>

/** Fewer packets than this (half a second at 20 ms) prove neither silence nor its absence. */
const enoughPackets = 25
/** A call shorter than this may end before media is due. */
const shortCallMs = 1_000
/** Checks that take longer than this would have ended in failure, had the call not ended first. */
const patientCheckMs = 3_000

export const judge = (facts: readonly Fact[], report: UnjudgedReport): Verdict =>
  judgeSignalling(facts, report) ??
  judgeIce(facts, report) ??
  judgeKeys(facts, report) ??
  judgeMedia(facts, report) ??
  judgeHearing(report) ?? { ok: true, evidence: goodEvidence(report) }

const failure = (
  cause: CauseCode,
  evidence: (string | undefined)[],
  details: { direction?: Failure['direction']; fix?: string | undefined } = {},
): Failure => ({
  ok: false,
  cause,
  layer: causes[cause].layer,
  direction: details.direction ?? 'both',
  evidence: evidence.filter((line) => line !== undefined),
  fix: details.fix ?? causes[cause].fix,
})

// ── was it answered? ───────────────────────────────────────────────────────────────────────────

const judgeSignalling = (facts: readonly Fact[], report: UnjudgedReport): Failure | undefined => {
  const { timings, outcome, direction } = report
  if (timings.answered !== undefined) return undefined
  if (outcome.state !== 'ended') return failure('unfinished', [`the call is ${outcome.state}`])
  if (report.ice.state === 'failed') return undefined
  const relay =
    outcome.by === 'local' && report.ice.localCandidates.length === 0 ? judgeRelay(report) : undefined
  if (relay) return failure(relay.cause, [...relay.evidence, outcome.reason])
  const refusedHere = outcome.by === 'local' && judgeRefusedHere(facts, report)
  if (refusedHere) return refusedHere
  return direction === 'outgoing' ? judgeOutgoing(facts, report) : judgeIncoming(report)
}

/** What this side ended itself because of the far end's description. Status 0, or the 200 of a BYE: an answer could not be used. */
const judgeRefusedHere = (facts: readonly Fact[], report: UnjudgedReport): Failure | undefined => {
  const { status } = report.outcome
  const reason = report.outcome.reason || 'no reason was given'
  if (status === undefined || ![0, 200, 400, 488].includes(status)) return undefined
  const theirs = all(facts, 'sdp', 'description').findLast((d) => d.direction === 'received')
  if (theirs && (theirs.ice === 'none' || theirs.ice === 'mismatch') && /\bICE\b/.test(reason))
    return failure('ice-required', [
      reason,
      theirs.ice === 'mismatch'
        ? 'its candidates do not contain its default destination (ice-mismatch)'
        : `its ${theirs.kind} names no ICE candidates`,
    ])
  const problem = all(facts, 'sdp', 'problem').at(-1)
  const evidence = [problem ? `${problem.message} (${problem.section})` : reason]
  if (status === 488 || isCodecProblem(evidence[0]!)) return failure('codec-mismatch', evidence)
  return status === 400 || problem ? failure('bad-description', evidence) : undefined
}

/** "486 Busy Here" */
/** What the network has ended nobody has given a status to. */
const words = ({ status, reason, by }: UnjudgedReport['outcome']): string =>
  [by === 'network' ? undefined : status, reason].filter(Boolean).join(' ') || 'no reason was given'

const isCodecProblem = (message: string): boolean =>
  /no common codec|spoken here|SRTP|encrypted|brings no key/.test(message)

const responsesToInvite = (facts: readonly Fact[]) =>
  all(facts, 'sip', 'message').filter(
    (m) => m.direction === 'received' && m.method === 'INVITE' && m.status !== undefined,
  )

const judgeOutgoing = (facts: readonly Fact[], report: UnjudgedReport): Failure => {
  const { outcome } = report
  const responses = responsesToInvite(facts)
  const rang = responses.some((m) => m.status! > 100 && m.status! < 200)
  const challenged = responses.some((m) => m.status === 401 || m.status === 407)
  const status = outcome.status ?? 0
  const who =
    outcome.by === 'local' ? 'we ended it' : outcome.by === 'remote' ? 'the far end said' : 'this end gave up'
  const said = `${who}: ${words(outcome)}`
  if (outcome.by === 'local' && status === 487)
    return failure('cancelled', [rang ? 'it was ringing' : 'no one had been rung yet', said])
  if (responses.length === 0) return failure('not-reached', [invites(facts), said])
  if (outcome.by === 'network')
    return failure('network', [said, `the last response was ${responses.at(-1)!.summary}`])
  if (status === 401 || status === 407 || (status === 403 && challenged))
    return failure('auth', [said, challenged ? 'the server had sent a challenge' : undefined])
  return failure(causeOfStatus(status, rang), [said])
}

const causeOfStatus = (status: number, rang: boolean): CauseCode => {
  if (status >= 300 && status < 400) return 'redirected'
  switch (status) {
    case 486:
    case 600:
    case 603:
      return 'busy'
    case 404:
    case 410:
    case 484:
    case 604:
      return 'not-found'
    case 488:
    case 606:
    case 415:
      return 'codec-mismatch'
    case 408:
    case 487:
      return 'no-answer'
    case 480:
      return rang ? 'no-answer' : 'unavailable'
    default:
      return 'rejected'
  }
}

const invites = (facts: readonly Fact[]): string => {
  const sent = all(facts, 'sip', 'message').filter(
    (m) => m.direction === 'sent' && m.method === 'INVITE' && !m.status,
  )
  const to = sent.at(-1)
  return to
    ? `the INVITE went ${sent.length} time(s) to ${to.protocol} ${formatAddress(to.remote)}; nothing came back`
    : 'no INVITE left this machine'
}

const judgeIncoming = (report: UnjudgedReport): Failure => {
  const { by, status } = report.outcome
  const said = words(report.outcome)
  if (by === 'network') return failure('network', [said])
  if (by === 'remote') return failure('caller-gave-up', [said])
  return failure(status === 486 || status === 603 ? 'busy' : 'rejected', [`we refused it: ${said}`])
}

// ── is there a path? ───────────────────────────────────────────────────────────────────────────

const judgeIce = (facts: readonly Fact[], report: UnjudgedReport): Failure | undefined => {
  const { ice, outcome, timings } = report
  const lost = last(ofPresentPeer(facts), 'ice', 'consent-lost')
  const gaveUp = lost !== undefined && outcome.by !== 'remote'
  const died = gaveUp || ice.state === 'failed' ? diedRelay(report) : undefined
  if (died && outcome.state === 'ended')
    return failure('relay-unreachable', [...died, outcome.reason, ...restartEvidence(report)], {
      fix: 'See whether the TURN server still runs and is reached from here; a second one, with another --turn, carries calls on.',
    })
  if (gaveUp && outcome.state === 'ended')
    return failure('consent-lost', [
      `component ${lost.component} got no consent response for 30 s`,
      firstSelected(report),
      ...restartEvidence(report),
    ])
  if (ice.mode !== 'full' && ice.mode !== 'peer-lite') return undefined
  if (ice.state === 'failed') return judgeIceFailure(report)
  const nominated = ice.state === 'completed' || ice.state === 'connected' || report.selected.length > 0
  if (nominated || outcome.state !== 'ended') return undefined
  const durationMs = timings.durationMs ?? 0
  const unfinished = `ICE was still ${ice.state ?? 'new'} when the call ended after ${durationMs} ms (${endedBy(report)})`
  if (durationMs < patientCheckMs)
    return failure('bye-before-media', [unfinished, ...report.pairs.map((pair) => pair.text)])
  // The far end gave up first, for what is missing here as well.
  return judgeIceFailure(report, unfinished)
}

const judgeIceFailure = (report: UnjudgedReport, unfinished?: string): Failure => {
  const { localCandidates, remoteCandidates } = report.ice
  const bare = localCandidates.length === 0 ? 'we' : remoteCandidates.length === 0 ? 'the far end' : undefined
  if (bare) return failure('ice-no-candidates', [`${bare} offered no candidate`])
  const literals = remoteCandidates.filter((c) => !/[g-z]/i.test(c.address.address))
  const families = new Set(localCandidates.map((c) => addressFamily(c.address.address)))
  if (literals.length > 0 && literals.every((c) => !families.has(addressFamily(c.address.address))))
    return failure('ice-no-common-family', [
      `ours: ${localCandidates.map(candidateText).join(', ')}`,
      `theirs: ${remoteCandidates.map(candidateText).join(', ')}`,
    ])
  const tried = report.pairs.map((pair) => pair.text)
  const relay = judgeRelay(report)
  return failure(relay?.cause ?? 'ice-failed', [
    ...(relay?.evidence ?? []),
    unfinished ?? report.ice.reason,
    `${tried.length} pair(s) tried`,
    ...tried,
    ...restartEvidence(report),
  ])
}

/** What TURN servers say now that gave relays when the call began, where none of them does any more; not where STUN servers are
 *  silent, too: then it is the network that has gone. */
const diedRelay = ({ ice: { servers } }: UnjudgedReport): string[] | undefined => {
  const lastWords = [...new Map(servers.map((word) => [`${word.protocol} ${word.server}`, word])).values()]
  const answers = ({ outcome }: ServerReport): boolean => outcome === 'answered'
  const isTurn = ({ protocol }: ServerReport): boolean => protocol !== 'stun'
  const turn = lastWords.filter(isTurn)
  const networkWorks = lastWords.some((word) => !isTurn(word) && answers(word))
  if (!networkWorks || turn.some(answers) || !servers.some((word) => isTurn(word) && answers(word)))
    return undefined
  return turn.map((word) => `${saidBy(word)}; it gave a relay when the call began`)
}

const saidBy = ({ server, protocol, outcome, detail }: ServerReport): string =>
  detail ?? `${protocol.toUpperCase()} ${server}: ${outcome}`

/** A relay would have been the way where no direct one exists: why was there none? */
const judgeRelay = (
  report: UnjudgedReport,
): { cause: Extract<CauseCode, `relay-${string}`>; evidence: string[] } | undefined => {
  const { servers, localCandidates, remoteCandidates } = report.ice
  const denied = report.pairs.find(
    ({ local, detail }) => local.type === 'relay' && /\b403\b/.test(detail ?? ''),
  )
  if (denied) return { cause: 'relay-denied', evidence: [denied.text] }
  const isRelay = ({ kind }: { kind: string }): boolean => kind === 'relay'
  if (localCandidates.some(isRelay)) return undefined
  const asked = servers.filter(({ protocol, outcome }) => protocol !== 'stun' && outcome !== 'answered')
  const because = (
    cause: Extract<CauseCode, `relay-${string}`>,
    codes?: readonly number[],
  ): ReturnType<typeof judgeRelay> => {
    const these = asked.filter(({ code }) => !codes || (code !== undefined && codes.includes(code)))
    return these.length > 0 ? { cause, evidence: [...new Set(these.map(saidBy))] } : undefined
  }
  if (asked.length > 0)
    return (
      because('relay-credentials', [401, 441]) ??
      because('relay-full', [486, 508]) ??
      because('relay-denied', [403]) ??
      because('relay-unreachable')
    )
  if (remoteCandidates.some(isRelay)) return undefined
  const natted = [...localCandidates, ...remoteCandidates].some(({ kind }) => kind === 'srflx')
  const silent = servers.filter(({ protocol, outcome }) => protocol === 'stun' && outcome === 'timeout')
  if (!natted && silent.length === 0) return undefined
  const blocked = silent.map((server) => `${saidBy(server)}: UDP may be blocked here`)
  return {
    cause: 'relay-missing',
    evidence: ['no TURN server is configured at either end', ...new Set(blocked)],
  }
}

const restartEvidence = ({ ice }: UnjudgedReport): string[] =>
  ice.restarts.map(
    ({ by, why, pathAfterMs }) =>
      `ICE was restarted by ${by === 'local' ? 'us' : 'the far end'} (${why}): ${pathAfterMs === undefined ? 'in vain' : 'a new path was found'}`,
  )

const candidateText = (c: { kind: string; address: TransportAddress }): string =>
  `${c.kind} ${formatAddress(c.address)}`

const firstSelected = (report: UnjudgedReport): string | undefined => {
  const pair = report.selected[0]
  return pair && `the path was ${formatAddress(pair.local.address)} -> ${formatAddress(pair.remote.address)}`
}

const endedBy = (report: UnjudgedReport): string => {
  const { by, reason } = report.outcome
  const who =
    by === 'local' ? 'ended by us' : by === 'remote' ? 'ended by the far end' : 'ended by the network'
  return reason ? `${who}: ${reason}` : who
}

// ── could it be encrypted? ───────────────────────────────────────────────────────────────────────

const judgeKeys = (facts: readonly Fact[], report: UnjudgedReport): Failure | undefined => {
  const failed = last(facts, 'srtp', 'failed')
  if (failed) return failure('no-keys', [failed.reason, endedBy(report)])
  const refused = last(facts, 'srtp', 'refused')
  if (!refused || (report.statistics?.received.packets ?? 0) > 0) return undefined
  const evidence = Object.entries(refused.packets).map(([why, count]) => `${count} packets refused: ${why}`)
  return failure('srtp-refused', evidence, { direction: 'receiving' })
}

// ── was media sent, did it arrive, could it be played? ─────────────────────────────────────────

const judgeMedia = (facts: readonly Fact[], report: UnjudgedReport): Failure | undefined => {
  const agreed = all(facts, 'sdp', 'negotiated')
  const { outcome, timings, statistics } = report
  if (outcome.state !== 'ended' && !statistics) return undefined
  if (outcome.by === 'network') return failure('network', [endedBy(report)])
  if (agreed.length === 0)
    return failure('bye-before-media', [`no description was agreed on (${endedBy(report)})`])
  // Hold in mid-call takes nothing back: what was allowed once could have been heard.
  const maySend = agreed.some((f) => f.mediaDirection === 'sendrecv' || f.mediaDirection === 'sendonly')
  const mayReceive = agreed.some((f) => f.mediaDirection === 'sendrecv' || f.mediaDirection === 'recvonly')
  if (!maySend && !mayReceive) return failure('remote-hold', ['every description agreed on was inactive'])
  const sent = statistics?.sent.packets ?? 0
  const received = statistics?.received.packets ?? 0
  const stalled = all(facts, 'call', 'warning').find((f) => f.message.startsWith('no media received'))
  if (stalled && received > 0 && outcome.by === 'local')
    return failure('media-lost', [stalled.message, `${received} packets had arrived before`], {
      direction: 'receiving',
    })
  if (maySend && sent === 0 && report.played.length > 0 && report.media.sentTo === undefined)
    return failure('no-rtp-sent', [`playing ${report.played.at(-1)} produced no packet`, unroutable(facts)], {
      direction: 'sending',
    })
  const brief = (timings.durationMs ?? 0) < shortCallMs
  if (mayReceive && received === 0) {
    if (brief && outcome.state === 'ended')
      return failure('bye-before-media', [
        `the call lasted ${timings.durationMs ?? 0} ms (${endedBy(report)})`,
      ])
    if (brief) return undefined
    return judgeNothingReceived(facts, report, sent)
  }
  if (mayReceive && statistics) {
    const { heardMs, levelDbfs } = statistics.received
    const silent = heardMs === 0 && timings.firstAudioHeard === undefined && report.dtmf.received === ''
    if (silent && received >= enoughPackets)
      return failure(
        'silent-audio',
        [
          `${received} packets arrived, loudest ${levelDbfs === null ? 'digital silence' : `${levelDbfs} dBFS`}`,
        ],
        { direction: 'receiving' },
      )
  }
  return judgeSending(facts, report, { maySend, sent })
}

const judgeNothingReceived = (facts: readonly Fact[], report: UnjudgedReport, sent: number): Failure => {
  const { statistics } = report
  const strange = payloadTypeDrops(report)
  if (strange > 0)
    return failure(
      'wrong-payload-type',
      [
        `${strange} packets had another payload type than ${report.codec?.receivePayloadType} (${report.codec?.name})`,
        firstPayloadType(facts),
      ],
      { direction: 'receiving' },
    )
  const after = `no RTP packet in ${report.timings.durationMs ?? 0} ms`
  const usesIce = report.selected.length > 0
  const wrong = usesIce ? undefined : privateAddresses(facts)
  if (wrong)
    return failure('private-address-without-ice', [after, ...wrong.evidence], { direction: wrong.direction })
  if (statistics?.remote && sent > 0)
    return failure(
      'one-way',
      [after, `the far end reports our ${sent} packets by RTCP (${statistics.remote.lossPercent} % lost)`],
      { direction: 'receiving' },
    )
  const dropped = Object.entries(statistics?.dropped ?? {}).map(
    ([why, count]) => `${count} packets dropped: ${why}`,
  )
  if (usesIce)
    return failure('no-rtp-received', [after, 'ICE has proved the path both ways', ...dropped], {
      direction: 'receiving',
      fix: 'The path works, so the far end sends nothing: see in its log whether it plays anything, or waits for something.',
    })
  if (sent === 0)
    return failure('no-rtp-received', [after, 'we sent nothing either', ...dropped], {
      direction: 'receiving',
      fix: 'Play something, or send silence: a far end that answers to where media comes from knows no address before our first packet.',
    })
  return failure('no-rtp-received', [after, `we sent ${sent} packets`, ...dropped], {
    direction: 'receiving',
  })
}

const payloadTypeDrops = (report: UnjudgedReport): number =>
  Object.entries(report.statistics?.dropped ?? {})
    .filter(([why]) => /payload.type/i.test(why))
    .reduce((sum, [, count]) => sum + count, 0)

const firstPayloadType = (facts: readonly Fact[]): string | undefined => {
  const first = all(facts, 'rtp', 'first-received')[0]
  return first && `the first packet had payload type ${first.payloadType}`
}

/** Whether a media address was given that the other end, seen at its SIP address, can hardly reach. */
const privateAddresses = (
  facts: readonly Fact[],
): { evidence: string[]; direction: Failure['direction'] } | undefined => {
  const sip = all(facts, 'sip', 'message').find((m) => m.direction === 'received')
  const peerIsPublic = sip !== undefined && !isPrivate(sip.remote.address)
  if (!peerIsPublic) return undefined
  const named = (direction: 'sent' | 'received'): TransportAddress | undefined =>
    all(facts, 'sdp', 'description')
      .filter((d) => d.direction === direction)
      .at(-1)?.audio
  const ours = named('sent')
  const theirs = named('received')
  const evidence: string[] = []
  if (ours && isPrivate(ours.address))
    evidence.push(`we asked for media at the private ${formatAddress(ours)}`)
  if (theirs && isPrivate(theirs.address))
    evidence.push(`the far end asked for media at the private ${formatAddress(theirs)}`)
  if (evidence.length === 0) return undefined
  evidence.push(`its SIP comes from the public ${formatAddress(sip.remote)}`)
  return { evidence, direction: theirs && isPrivate(theirs.address) ? 'both' : 'receiving' }
}

const unroutable = (facts: readonly Fact[]): string | undefined => {
  const agreed = all(facts, 'sdp', 'negotiated').at(-1)
  return agreed && !agreed.remoteRtp && !agreed.ice ? 'the far end named no address to send to' : undefined
}

/** Only the far end can tell whether our packets arrived; where it sends no RTCP, we are believed. */
const judgeSending = (
  facts: readonly Fact[],
  report: UnjudgedReport,
  { maySend, sent }: { maySend: boolean; sent: number },
): Failure | undefined => {
  const lossPercent = report.statistics?.remote?.lossPercent
  if (!maySend || sent < enoughPackets || lossPercent === undefined || lossPercent < 99) return undefined
  const theirs = report.selected.length > 0 ? undefined : privateAddresses(facts)
  return failure(
    'one-way',
    [`the far end reports ${lossPercent} % of our ${sent} packets lost`, ...(theirs?.evidence ?? [])],
    { direction: 'sending' },
  )
}

// ── was it what was expected? ──────────────────────────────────────────────────────────────────

const judgeHearing = (report: UnjudgedReport): Failure | undefined => {
  const missed = report.hearings.filter((hearing) => !hearing.heard)
  if (missed.length === 0) return undefined
  return failure(
    'not-heard',
    missed.map((hearing) => `${hearing.expected}: ${hearing.detail}`),
    { direction: 'receiving' },
  )
}

const goodEvidence = (report: UnjudgedReport): string[] => {
  const { statistics, selected, timings, hearings } = report
  const lines: string[] = []
  const [pair] = selected
  if (pair)
    lines.push(`ICE selected ${pair.local.type} to ${pair.remote.type}${pair.transport ? ' over TCP' : ''}`)
  if (statistics)
    lines.push(`${statistics.sent.packets} packets sent, ${statistics.received.packets} received`)
  for (const { why, silentMs } of report.ice.restarts)
    if (silentMs !== undefined) lines.push(`media came back after ${(silentMs / 1000).toFixed(1)} s (${why})`)
  if (timings.firstAudioHeard !== undefined) lines.push(`first audio heard at ${timings.firstAudioHeard} ms`)
  for (const hearing of hearings) lines.push(`heard ${hearing.expected}: ${hearing.detail}`)
  return lines
}
