// How good is what a stream receives: from the fates of its packets and its delays to the estimate of the E-model (ITU-T G.107)
// and to the VoIP metrics that a peer is told (RFC 3611 4.7). Codecs of a wider band are rated as G.711 is, on the narrow-band scale:
// G.113 has no values for Opus, and one scale makes calls comparable.
import type { Codec } from '../codec/codec.ts'
import { concealedLosses, opinionScore, silentLosses, transmissionRating } from '../rtcp/e-model.ts'
import type { VoipMetrics } from '../rtcp/extended-report.ts'
import { type BurstGapMetrics, gapThresholdPackets } from '../rtp/burst-gap.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { PlayoutStatistics, QualityEstimate, RemoteQuality } from '../trace/facts.ts'

/** What is known of the receiving end. */
export interface Reception {
  fates: BurstGapMetrics
  codec: Codec
  /** Of what is received. */
  packetMs: Millis
  playout: Pick<PlayoutStatistics, 'delayMs' | 'maximumDelayMs' | 'adaptive'>
  /** Undefined where nothing was audible, or everything. */
  signalDbfs: number | undefined
  noiseDbfs: number | undefined
  roundTripMs: Millis | undefined
}

/** 0 dBm0 is 6.2 dB below a square wave of full scale in G.711, to which dBFS refers here (ITU-T G.711 table 1). */
const dbmOfFullScale = 6.2

/** In the words of RFC 3611 4.7.6. */
const concealmentNames = { waveform: 'standard', own: 'enhanced' } as const

/** Undefined where nothing has come yet. */
export function estimateQuality(reception: Reception): QualityEstimate | undefined {
  const { fates, codec, packetMs, playout, roundTripMs } = reception
  if (fates.packets === 0) return undefined
  const unplayed = fates.lost + fates.discarded
  // ITU-T G.107 7.5: the mean run beside that of random loss, 1 / (1 - p).
  const burstRatio =
    unplayed === 0 ? 1 : Math.max(1, (unplayed / fates.runs) * (1 - unplayed / fates.packets))
  const transmission = {
    codec: codec.concealment ? concealedLosses : silentLosses,
    lossPercent: percent(unplayed, fates.packets),
    burstRatio,
  }
  const delayMs = roundTripMs === undefined ? undefined : roundTripMs / 2 + playout.delayMs + packetMs
  const listening = transmissionRating({ ...transmission, delayMs: 0 })
  const conversing = delayMs === undefined ? undefined : transmissionRating({ ...transmission, delayMs })
  return {
    rFactor: tenths(Math.max(0, conversing ?? listening)),
    mosListening: hundredths(opinionScore(listening)),
    ...(conversing !== undefined && { mosConversational: hundredths(opinionScore(conversing)) }),
    ...(delayMs !== undefined && { delayMs: tenths(delayMs) }),
    discardPercent: hundredths(percent(fates.discarded, fates.packets)),
    burstRatio: hundredths(burstRatio),
    bursts: fates.bursts,
    burstMs: fates.bursts === 0 ? 0 : Math.round((fates.burstPackets * packetMs) / fates.bursts),
    burstLossPercent: hundredths(percent(fates.burstUnplayed, fates.burstPackets)),
    gapLossPercent: hundredths(percent(fates.gapUnplayed, fates.gapPackets)),
  }
}

/** Undefined where nothing has come yet. @param ssrc whose packets these are */
export function voipMetrics(ssrc: number, reception: Reception): VoipMetrics | undefined {
  const estimate = estimateQuality(reception)
  if (!estimate) return undefined
  const { fates, packetMs, signalDbfs, noiseDbfs, codec, playout } = reception
  const { mosListening, mosConversational } = estimate
  return {
    ssrc,
    lossRate: of256(fates.lost, fates.packets),
    discardRate: of256(fates.discarded, fates.packets),
    burstDensity: of256(fates.burstUnplayed, fates.burstPackets),
    gapDensity: of256(fates.gapUnplayed, fates.gapPackets),
    burstDurationMs: (fates.burstPackets * packetMs) / Math.max(1, fates.bursts),
    // With each burst one gap: so the example of 4.7.2 adds what is before the first and after the last.
    gapDurationMs: (fates.gapPackets * packetMs) / Math.max(1, fates.bursts),
    roundTripMs: reception.roundTripMs ?? 0,
    endSystemDelayMs: packetMs + playout.delayMs,
    ...(signalDbfs !== undefined && { signalLevelDbm: signalDbfs + dbmOfFullScale }),
    ...(noiseDbfs !== undefined && { noiseLevelDbm: noiseDbfs + dbmOfFullScale }),
    gapThreshold: gapThresholdPackets,
    rFactor: estimate.rFactor,
    mosListening,
    ...(mosConversational !== undefined && { mosConversational }),
    concealment: codec.concealment ? concealmentNames[codec.concealment] : 'disabled',
    jitterBuffer: playout.adaptive ? 'adaptive' : 'fixed',
    adjustmentRate: 0,
    jitterBufferNominalMs: playout.delayMs,
    jitterBufferMaximumMs: playout.maximumDelayMs,
    jitterBufferAbsoluteMaximumMs: playout.maximumDelayMs,
  }
}

/** What a peer's metrics say, in per cent. */
export const remoteQuality = (metrics: VoipMetrics): RemoteQuality => {
  const { rFactor, mosListening, mosConversational, endSystemDelayMs, jitterBufferNominalMs } = metrics
  return {
    ...(rFactor !== undefined && { rFactor }),
    ...(mosListening !== undefined && { mosListening }),
    ...(mosConversational !== undefined && { mosConversational }),
    lossPercent: tenths(percent(metrics.lossRate, 256)),
    discardPercent: tenths(percent(metrics.discardRate, 256)),
    endSystemDelayMs,
    jitterBufferMs: jitterBufferNominalMs,
  }
}

const percent = (part: number, whole: number): number => (whole === 0 ? 0 : (part / whole) * 100)
const of256 = (part: number, whole: number): number =>
  whole === 0 ? 0 : Math.min(255, Math.floor((256 * part) / whole))
const tenths = (value: number): number => Math.round(value * 10) / 10 + 0
const hundredths = (value: number): number => Math.round(value * 100) / 100 + 0
