// A report as text for people: verdict first, then what happened, then every pair. Colours are the caller's, by callback.
import { formatAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { CallReport, PairReport, RestartReport, Verdict } from './call-report.ts'
import { causes } from './causes.ts'
import { redirectText, transferText } from './handed-over.ts'

export type TextStyle = (kind: 'good' | 'bad' | 'warn' | 'dim' | 'strong', text: string) => string

const plain: TextStyle = (_kind, text) => text
const labelWidth = 10

export const formatReport = (report: CallReport, options: { style?: TextStyle } = {}): string => {
  const style = options.style ?? plain
  const row = (label: string, text: string | undefined): string[] =>
    text === undefined || text === '' ? [] : [`${style('dim', label.padEnd(labelWidth))}${text}`]
  const rows = (label: string, texts: readonly string[]): string[] =>
    texts.flatMap((text, i) => row(i === 0 ? label : '', text))
  const arrow = report.direction === 'outgoing' ? '->' : '<-'
  return [
    style('strong', `${report.local || 'us'} ${arrow} ${report.remote || 'unknown'}`),
    ...formatVerdict(report.verdict, style),
    ...row('outcome', outcomeText(report)),
    ...row('timings', timingsText(report)),
    ...rows('moved', report.redirects?.map(redirectText) ?? []),
    ...rows('transfer', report.transfers?.map(transferText) ?? []),
    ...rows('path', pathTexts(report)),
    ...rows('restarts', report.ice.restarts.map(restartText)),
    ...row('codec', codecText(report)),
    ...row('SRTP', srtpText(report)),
    ...row('sent', sentText(report)),
    ...row('received', receivedText(report)),
    ...rows('quality', qualityTexts(report)),
    ...row('dtmf', dtmfText(report)),
    ...rows(
      'heard',
      report.hearings.map(
        (h) => `${style(h.heard ? 'good' : 'bad', h.heard ? 'yes' : 'no')} ${h.expected} (${h.detail})`,
      ),
    ),
    ...rows(
      'recorded',
      report.recordings.map((r) => `${r.path} (${seconds(r.durationMs)})`),
    ),
    ...rows(
      'warning',
      report.warnings.map((text) => style('warn', text)),
    ),
    ...rows('pairs', formatPairs(report.pairs)),
  ].join('\n')
}

/** One line a pair, in columns: component, local end, remote end, fate. */
export const formatPairs = (pairs: readonly PairReport[]): string[] => {
  const cells = pairs.map((pair) => [
    `${pair.selected ? '*' : ' '} ${pair.component}`,
    `${pair.local.type} ${formatAddress(pair.local.address)}`,
    `${pair.remote.type} ${formatAddress(pair.remote.address)}`,
    pair.state,
    [
      pair.rttMs === undefined ? undefined : `${pair.rttMs} ms`,
      `${pair.checksSent} check${pair.checksSent === 1 ? '' : 's'}`,
      pair.detail,
    ]
      .filter((text) => text !== undefined)
      .join(', '),
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...cells.map((row) => row[column]!.length)))
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
}

const formatVerdict = (verdict: Verdict, style: TextStyle): string[] => {
  const label = (text: string): string => style('dim', text.padEnd(labelWidth))
  if (verdict.ok) return [`${label('verdict')}${style('good', '✓ ok')}`, ...indented(verdict.evidence)]
  const where = verdict.direction === 'both' ? '' : `, ${verdict.direction}`
  return [
    `${label('verdict')}${style('bad', `✗ ${verdict.cause}`)} (${verdict.layer}${where}): ${causes[verdict.cause].meaning}`,
    ...indented(verdict.evidence),
    `${label('fix')}${verdict.fix}`,
  ]
}

const indented = (lines: readonly string[]): string[] =>
  lines.map((line) => `${' '.repeat(labelWidth)}- ${line}`)

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

const outcomeText = ({ outcome }: CallReport): string => {
  if (outcome.state !== 'ended') return outcome.state
  const by = outcome.by === 'local' ? 'us' : outcome.by === 'remote' ? 'the far end' : 'the network'
  const status = outcome.status && outcome.by !== 'network' ? `${outcome.status} ` : ''
  return `ended by ${by}: ${status}${outcome.reason ?? ''}`.trimEnd()
}

const timingsText = ({ timings }: CallReport): string => {
  const named: [string, number | undefined][] = [
    ['ringing', timings.ringing],
    ['answered', timings.answered],
    ['ICE nominated', timings.iceNominated],
    ['first RTP in', timings.firstRtpReceived],
    ['first audio heard', timings.firstAudioHeard],
    ['ended', timings.ended],
  ]
  const after = named.flatMap(([name, ms]) => (ms === undefined ? [] : [`${name} ${ms} ms`]))
  const lasted = timings.durationMs === undefined ? [] : [`lasted ${seconds(timings.durationMs)}`]
  return [...after, ...lasted].join(' · ')
}

const pathTexts = (report: CallReport): string[] => {
  if (report.selected.length > 0)
    return report.selected.map(
      (pair) =>
        `${pair.component === 1 ? 'RTP ' : 'RTCP'} ${pair.local.type} ${formatAddress(pair.local.address)} -> ` +
        `${pair.remote.type} ${formatAddress(pair.remote.address)} (${pair.why})`,
    )
  const { mode, state } = report.ice
  const { sentTo, receivedFrom } = report.media
  if (mode === 'none') return []
  return [
    [
      `ICE ${mode}${state ? `, ${state}` : ''}`,
      sentTo && `sent to ${formatAddress(sentTo)}`,
      receivedFrom && `received from ${formatAddress(receivedFrom)}`,
    ]
      .filter(Boolean)
      .join(', '),
  ]
}

const restartText = ({ atMs, by, why, pathAfterMs, silentMs }: RestartReport): string =>
  [
    `${by === 'local' ? 'by us' : 'by the far end'} at ${seconds(atMs)}: ${why}`,
    pathAfterMs === undefined ? 'no path came of it' : `new path after ${pathAfterMs} ms`,
    ...(silentMs === undefined ? [] : [`media back after ${seconds(silentMs)}`]),
  ].join(' · ')

const codecText = ({ codec, statistics }: CallReport): string | undefined =>
  codec &&
  [
    `${codec.name} (${codec.payloadType})`,
    packetTimesText(codec.ptimeMs, statistics?.received.packetMs),
    codec.direction,
    ...(codec.telephoneEvent ? ['telephone-event'] : []),
    ...(codec.comfortNoise ? ['comfort noise'] : []),
    ...(codec.rtcpMux ? ['rtcp-mux'] : []),
  ].join(', ')

/** Each end says what it wants to be sent, so the two ways can differ. */
const packetTimesText = (sentMs: Millis, receivedMs = sentMs): string =>
  sentMs === receivedMs ? `${sentMs} ms` : `${sentMs} ms sent, ${receivedMs} ms received`

const srtpText = ({ srtp }: CallReport): string | undefined =>
  srtp && `${srtp.suite}, keys ${srtp.by === 'dtls' ? 'by DTLS' : 'in the SDP'}`

const sentText = ({ statistics }: CallReport): string | undefined => {
  if (!statistics) return undefined
  const { sent, remote, roundTripMs } = statistics
  const far = remote
    ? `; far end reports ${Number(remote.lossPercent.toFixed(1))} % lost, jitter ${remote.jitterMs.toFixed(1)} ms`
    : ''
  const round = roundTripMs === undefined ? '' : `${far ? ',' : ';'} round trip ${roundTripMs.toFixed(1)} ms`
  return `${sent.packets} packets, ${sent.octets} octets${far}${round}`
}

const receivedText = ({ statistics }: CallReport): string | undefined => {
  if (!statistics) return undefined
  const { received, dropped } = statistics
  const level = received.levelDbfs === null ? 'digital silence' : `${received.levelDbfs} dBFS`
  const heard = received.packets > 0 ? `, ${level}, ${seconds(received.heardMs)} of sound` : ''
  const clipped = received.clippedSamples > 0 ? `, ${received.clippedSamples} samples clipped` : ''
  const thrown = Object.entries(dropped).map(([why, count]) => `; ${count} dropped: ${why}`)
  return (
    `${received.packets} packets, ${received.lost} lost (${received.lossPercent.toFixed(1)} %), ` +
    `jitter ${received.jitterMs} ms, played after ${Math.round(received.playout.delayMs)} ms${heard}${clipped}${thrown.join('')}`
  )
}

/** Estimates, and said to be so: nobody has listened. */
const qualityTexts = ({ statistics }: CallReport): string[] => {
  const { quality, remote } = statistics ?? {}
  const texts: string[] = []
  if (quality) {
    const { mosListening, mosConversational, rFactor, delayMs, bursts, burstMs, discardPercent } = quality
    const conversing =
      mosConversational === undefined ? '' : `, ${mosConversational.toFixed(1)} in conversation`
    texts.push(
      `estimated MOS ${mosListening.toFixed(1)} to listen to${conversing} (E-model R ${Math.round(rFactor)}` +
        `${delayMs === undefined ? '' : `, ${Math.round(delayMs)} ms from mouth to ear`}` +
        `${discardPercent === 0 ? '' : `, ${discardPercent.toFixed(1)} % too late`}` +
        `${bursts === 0 ? '' : `, ${bursts} burst${bursts === 1 ? '' : 's'} of loss of ${burstMs} ms`})`,
    )
  }
  const theirs = remote?.quality
  if (theirs) {
    const { mosListening, mosConversational, rFactor, lossPercent, discardPercent } = theirs
    const scores = [
      mosListening !== undefined && `MOS ${mosListening.toFixed(1)} to listen to`,
      mosConversational !== undefined && `${mosConversational.toFixed(1)} in conversation`,
      rFactor !== undefined && `R ${rFactor}`,
    ].filter((text) => text !== false)
    texts.push(
      `far end estimates ${scores.join(', ') || 'no score'} for ours, ${lossPercent} % lost, ${discardPercent} % too late`,
    )
  }
  return texts
}

const dtmfText = ({ dtmf }: CallReport): string =>
  [dtmf.sent && `sent ${dtmf.sent}`, dtmf.received && `received ${dtmf.received}`].filter(Boolean).join(', ')
