// Opus (RFC 6716) by libopus, compiled to WebAssembly, as RFC 7587 carries it: mono inside, though the rtpmap always says two
// channels; 48 kHz; what the peer's fmtp asks of our encoder is heeded; lost packets are recovered from the next one, or concealed.
// Leaves out stereo.
import {
  Application,
  Bandwidth,
  createDecoder,
  createEncoder,
  type EncoderOptions,
  loadLibopus,
  type OpusDecoderHandle,
  type OpusEncoderHandle,
} from 'libopus-wasm'
import type { Codec, Decoder, Encoder } from './codec.ts'

const sampleRateHz = 48_000
/** RFC 7587 3.1.1: what speech in full band takes. */
const defaultBitrate = 32_000
/** RFC 7587 6.1. */
const bitrateRange = { from: 6_000, to: 510_000 }
/** Half of the effort of 10, and hardly to be told from it in speech. */
const complexity = 5
/** What in-band FEC is tuned to, in percent, while nobody measures it for us. */
const expectedLossPercent = 5
/** A packet as short as this says that nothing is said (DTX); it need not be sent. */
const dtxBytes = 2
const largestPayloadBytes = 1_200
/** 2.5 ms (RFC 6716 2.1.4): gaps are recovered in multiples of it. */
const shortestFrameSamples = 120
/** 10 ms: SILK conceals no shorter frames (RFC 6716 2.1.4), and leaves a step in the sound where less is taken of one. */
const concealedFrameSamples = 480
/** Longest packet (RFC 6716 3.2.5), in samples. */
const longestPacketSamples = 5_760

/** The handle comes a microtask later, libopus being loaded already; the first frame is due a packet time later. */
class OpusEncoder implements Encoder {
  private handle: OpusEncoderHandle | undefined
  private closed = false

  constructor(fmtp: string | undefined) {
    void createEncoder(encoderOptions(fmtp)).then((handle) => {
      if (this.closed) handle.free()
      else this.handle = handle
    })
  }

  encode(pcm: Int16Array, out: Uint8Array): number {
    if (!this.handle) return 0
    const packet = this.handle.encode(pcm, { frameSize: pcm.length, maxPacketBytes: largestPayloadBytes })
    if (packet.length <= dtxBytes) return 0
    out.set(packet)
    return packet.length
  }

  close(): void {
    this.closed = true
    this.handle?.free()
    this.handle = undefined
  }
}

class OpusDecoder implements Decoder {
  private handle: OpusDecoderHandle | undefined
  /** The last samples of it are what libopus has made up beyond the end of a gap. */
  private readonly spare = new Int16Array(concealedFrameSamples)
  private spareSamples = 0
  private closed = false

  constructor() {
    void createDecoder({ sampleRate: sampleRateHz, channels: 1, maxFrameSize: longestPacketSamples }).then(
      (handle) => {
        if (this.closed) handle.free()
        else this.handle = handle
      },
    )
  }

  decode(payload: Uint8Array, out: Int16Array): number {
    this.spareSamples = 0
    if (!this.handle || payload.length === 0) return 0
    try {
      const samples = this.handle.decode(payload)
      const length = Math.min(samples.length, out.length)
      out.set(samples.subarray(0, length))
      return length
    } catch {
      // A packet that is none (RFC 6716 3.4).
      return 0
    }
  }

  conceal(gap: Int16Array): void {
    const { spare } = this
    const fromSpare = Math.min(gap.length, this.spareSamples)
    for (let i = 0; i < fromSpare; i++) gap[i] = spare[spare.length - this.spareSamples + i]!
    this.spareSamples -= fromSpare
    const rest = gap.subarray(fromSpare)
    if (rest.length === 0) return
    if (!this.handle) {
      rest.fill(0)
      return
    }
    const made = this.handle.decodePacketLoss(
      concealedFrameSamples * Math.ceil(rest.length / concealedFrameSamples),
    )
    rest.set(made.subarray(0, rest.length))
    this.spareSamples = made.length - rest.length
    spare.set(made.subarray(rest.length), spare.length - this.spareSamples)
  }

  recover(next: Uint8Array, gap: Int16Array): boolean {
    if (!this.handle || gap.length % shortestFrameSamples !== 0) return false
    this.spareSamples = 0
    try {
      gap.set(this.handle.decode(next, { decodeFec: true, frameSize: gap.length }).subarray(0, gap.length))
      return true
    } catch {
      return false
    }
  }

  close(): void {
    this.closed = true
    this.handle?.free()
    this.handle = undefined
  }
}

/** RFC 7587 6.1: what a receiver's parameters ask of the sender. */
export function encoderOptions(fmtp = ''): EncoderOptions {
  const parameters = new Map(
    fmtp.split(';').map((part) => {
      const [name = '', value = ''] = part.split('=')
      return [name.trim().toLowerCase(), value.trim()]
    }),
  )
  const number = (name: string): number | undefined => {
    const value = Number(parameters.get(name) || Number.NaN)
    return Number.isFinite(value) ? value : undefined
  }
  const isSet = (name: string): boolean => parameters.get(name) === '1'
  const most = Math.max(
    bitrateRange.from,
    Math.min(number('maxaveragebitrate') ?? defaultBitrate, bitrateRange.to),
  )
  return {
    sampleRate: sampleRateHz,
    channels: 1,
    application: Application.Voip,
    complexity,
    bitrate: Math.min(most, defaultBitrate),
    fec: isSet('useinbandfec'),
    packetLossPercent: isSet('useinbandfec') ? expectedLossPercent : 0,
    dtx: isSet('usedtx'),
    vbr: !isSet('cbr'),
    maxBandwidth: bandwidthFor(number('maxplaybackrate') ?? sampleRateHz),
  }
}

const bandwidthFor = (playbackRateHz: number): Bandwidth => {
  if (playbackRateHz >= 48_000) return Bandwidth.Fullband
  if (playbackRateHz >= 24_000) return Bandwidth.Superwideband
  if (playbackRateHz >= 16_000) return Bandwidth.Wideband
  return playbackRateHz >= 12_000 ? Bandwidth.Mediumband : Bandwidth.Narrowband
}

export const opus: Codec = {
  name: 'opus',
  sampleRateHz,
  clockRateHz: sampleRateHz,
  channels: 2,
  packetTimesMs: [10, 20, 40, 60],
  concealment: 'own',
  fmtp: 'useinbandfec=1',
  load: async () => void (await loadLibopus()),
  createEncoder: (fmtp) => new OpusEncoder(fmtp),
  createDecoder: () => new OpusDecoder(),
}
