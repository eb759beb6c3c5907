// Packets that were encoded elsewhere, of a file say: whether they suit what the peer takes (RFC 7587 6.1).
import { isStereo, samplesOf } from './opus-packet.ts'
import type { OpusParameters } from './opus-parameters.ts'

const sampleRateHz = 48_000
/** RTP with SRTP and whatever carries it must fit into an Ethernet's packet. */
export const largestPayloadBytes = 1_200
/** So far the packets may run ahead of the greatest average bitrate: music is not as loud everywhere. */
const aheadSeconds = 2

export class OpusReadyPackets {
  private aheadBits = 0

  constructor(private readonly asked: OpusParameters) {}

  /** Packets of equal length are to be had from our own encoder alone. */
  takes(packet: Uint8Array): boolean {
    const { stereo, constantBitrate, maxAverageBitrateBps } = this.asked
    if (constantBitrate || (isStereo(packet) && !stereo) || packet.length > largestPayloadBytes) return false
    const granted = (maxAverageBitrateBps * samplesOf(packet)) / sampleRateHz
    this.aheadBits = Math.max(0, this.aheadBits + 8 * packet.length - granted)
    if (this.aheadBits <= aheadSeconds * maxAverageBitrateBps) return true
    this.aheadBits = 0
    return false
  }
}
