// Opus (RFC 6716) by libopus, compiled to WebAssembly, as RFC 7587 carries it: 48 kHz, mono inside, though the rtpmap always says two
// channels; a peer's stereo is mixed down. Lost packets are recovered from the next one, or concealed. What both ends ask of each
// other: opus-parameters.ts. Leaves out stereo of our own.
import {
  createDecoder,
  createEncoder,
  loadLibopus,
  type OpusDecoderHandle,
  type OpusEncoderHandle,
} from 'libopus-wasm'
import type { Codec, Decoder, Encoder } from './codec.ts'
import { longestPacketSamples } from './opus-packet.ts'
import {
  checkOpusOptions,
  encoderOptions,
  lossToArmAgainst,
  type OpusOptions,
  type OpusParameters,
  type OpusSettings,
  readOpusParameters,
  writeOpusOptions,
  writeOpusParameters,
} from './opus-parameters.ts'
import { largestPayloadBytes, OpusReadyPackets } from './opus-ready-packets.ts'

const sampleRateHz = 48_000
/** What in-band FEC is tuned to, in percent, until the peer's reports tell how much it loses. */
const firstExpectedLossPercent = 5
/** A packet as short as this says that nothing is said (DTX); it need not be sent. */
const dtxBytes = 2
/** 2.5 ms (RFC 6716 2.1.4): gaps are recovered in multiples of it. */
const shortestFrameSamples = 120
/** 10 ms: SILK conceals no shorter frames (RFC 6716 2.1.4), and leaves a step in the sound where less is taken of one. */
const concealedFrameSamples = 480

/** The handle comes a microtask later, libopus being loaded already; the first frame is due a packet time later. */
class OpusEncoder implements Encoder {
  private handle: OpusEncoderHandle | undefined
  private closed = false
  private lossPercent: number
  private readonly settings: OpusSettings
  private readonly ready: OpusReadyPackets

  constructor(options: OpusOptions, asked: OpusParameters) {
    this.settings = encoderOptions(options, asked)
    this.lossPercent = this.settings.fec ? firstExpectedLossPercent : 0
    this.ready = new OpusReadyPackets(asked)
    void createEncoder(this.settings).then((handle) => {
      if (this.closed) handle.free()
      else this.handle = handle
      this.expectLoss(this.lossPercent)
    })
  }

  encode(pcm: Int16Array, out: Uint8Array): number {
    if (!this.handle) return 0
    const packet = this.handle.encode(pcm, { frameSize: pcm.length, maxPacketBytes: largestPayloadBytes })
    if (packet.length <= dtxBytes) return 0
    out.set(packet)
    return packet.length
  }

  expectLoss(percent: number): void {
    this.lossPercent = percent
    this.handle?.setPacketLossPercent(lossToArmAgainst(percent, this.settings))
  }

  takes(packet: Uint8Array): boolean {
    return this.ready.takes(packet)
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

/** Opus as it is wanted. @throws UsageError where that cannot be */
export function opusWith(options: OpusOptions): Codec {
  checkOpusOptions(options)
  const fmtp = writeOpusParameters(options)
  return {
    name: 'opus',
    sampleRateHz,
    clockRateHz: sampleRateHz,
    channels: 2,
    packetTimesMs: [10, 20, 40, 60],
    concealment: 'own',
    discontinuous: true,
    threadName: ['opus', ...writeOpusOptions(options)].join(':'),
    ...(fmtp && { fmtp }),
    load: async () => void (await loadLibopus()),
    createEncoder: (asked) => new OpusEncoder(options, readOpusParameters(asked)),
    createDecoder: () => new OpusDecoder(),
  }
}

export const opus: Codec = opusWith({})
