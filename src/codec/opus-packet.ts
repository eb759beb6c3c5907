// What the first octets of an Opus packet say of it (RFC 6716 3.1, 3.2), without decoding it.

/** Opus counts at this rate, whatever was encoded (RFC 6716 2). */
const sampleRateHz = 48_000
/** 120 ms (RFC 6716 3.2.5). */
export const longestPacketSamples = (sampleRateHz * 120) / 1_000

/** RFC 6716 3.1: the s bit of the TOC octet. */
export const isStereo = (packet: Uint8Array): boolean => (packet[0]! & 0x04) !== 0

/** RFC 6716 3.1, tables 2 and 3: frames of a packet times the length of each; 0 where it is none. */
export function samplesOf(packet: Uint8Array): number {
  const toc = packet[0]
  if (toc === undefined) return 0
  const frames = [1, 2, 2, (packet[1] ?? 0) & 0x3f][toc & 3]!
  const samples = frames * frameSamplesOf(packet)
  return samples > longestPacketSamples ? 0 : samples
}

/** CELT from 2.5 ms, hybrid 10 and 20 ms, SILK from 10 to 60 ms. */
function frameSamplesOf(packet: Uint8Array): number {
  const configuration = packet[0]! >> 3
  if (configuration >= 16) return 120 << (configuration & 3)
  if (configuration >= 12) return 480 << (configuration & 1)
  return [480, 960, 1_920, 2_880][configuration & 3]!
}

/** 20 ms of CELT in full band, mono. */
const usualToc = 31 << 3
/** Of CELT, the bandwidths as SILK and hybrid configurations have them, in fours: medium band is wide band there (RFC 7845 4.1). */
const celtOf = [16, 20, 20, 24] as const
const celtFullBand = 28
const shortestFrameSamples = 120

/** Packets that ask for concealment (RFC 7845 4.1): of frames without octets (RFC 6716 3.2.1), as long together as the gap to a
 *  multiple of 2.5 ms. Mode, band, channels and length of a frame stay those of the packet before as long as that goes.
 *  @param previous absent: nothing came before */
export function* packetsOfGap(previous: Uint8Array | undefined, gapSamples: number): Generator<Uint8Array> {
  let toc = previous ? previous[0]! & 0xfc : usualToc
  let left = gapSamples
  for (; left >= shortestFrameSamples; toc = shorterFrame(toc)) {
    const packet = Uint8Array.of(toc)
    const samples = frameSamplesOf(packet)
    for (; left >= samples; left -= samples) yield packet
  }
}

/** The same with the next shorter frame there is: of CELT where SILK has none. */
function shorterFrame(toc: number): number {
  const configuration = toc >> 3
  const isShortest = frameSamplesOf(Uint8Array.of(toc)) === 480
  if (configuration >= 16 || !isShortest) return toc - 8
  // Of 5 ms.
  return (((configuration >= 14 ? celtFullBand : celtOf[configuration >> 2]!) + 1) << 3) | (toc & 4)
}
