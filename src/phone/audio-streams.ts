// A call's audio as streams of octets (16-bit PCM, little-endian, mono, at the rate that is asked for), for programs that listen
// and speak: bots, recognisers, bridges. Web streams here, a Duplex of Node in pcm-duplex.ts. Reading cannot slow the far end
// down: of what nobody reads in time the newest is left out. Writing waits: no more than a moment lies ahead of what is sent.
import type { AudioSink } from '../audio/frames.ts'
import { octetsOf } from '../audio/queued-source.ts'
import { VoiceActivity } from '../audio/voice-activity.ts'
import { PcmDuplex } from './pcm-duplex.ts'
import { Speech, type SpokenCall, unreadSeconds } from './speech.ts'

export interface PcmOptions {
  /** Default 16,000. */
  sampleRateHz?: number
}

const defaultRateHz = 16_000
/** Of voice, for one who would be interrupted by it: a cough is shorter than an onset, a pause for breath than a hangover. */
const voiceOptions = { onsetMs: 80, hangoverMs: 400 }
const voiceRateHz = 8_000

export class AudioStreams {
  /** Whether the far end speaks; false while nobody asks by `onVoice`. */
  voice = false
  private voiceSink: AudioSink | undefined
  private voiceHandler: ((speaks: boolean) => void) | undefined

  constructor(private readonly call: SpokenCall) {}

  /** What the far end says, from now to the end of the call, gaps as silence. Any number at once. */
  readable({ sampleRateHz = defaultRateHz }: PcmOptions = {}): PcmReadable {
    return new PcmReadable(this.call, sampleRateHz)
  }

  /** What is said to the far end. `write` waits while more than a moment lies ahead, `close` until the last sample is sent. A
   *  stream that runs dry is silence. One at a time: another one, or `play`, takes its place, and writes then reject. */
  writable({ sampleRateHz = defaultRateHz }: PcmOptions = {}): PcmWritable {
    return new PcmWritable(this.call, sampleRateHz)
  }

  /** Both as one stream of Node: read it, write it, or pipe it. */
  duplex({ sampleRateHz = defaultRateHz }: PcmOptions = {}): PcmDuplex {
    return new PcmDuplex(this.call, sampleRateHz)
  }

  /** Told when the far end begins to speak, and when it has ceased; music and tones pass for speech, noise does not. */
  get onVoice(): ((speaks: boolean) => void) | undefined {
    return this.voiceHandler
  }

  set onVoice(handler: ((speaks: boolean) => void) | undefined) {
    this.voiceHandler = handler
    if (handler && !this.voiceSink) this.listenForVoice()
    if (!handler && this.voiceSink) {
      this.call.removeSink(this.voiceSink)
      this.voiceSink = undefined
      this.voice = false
    }
  }

  private listenForVoice(): void {
    const activity = new VoiceActivity(voiceRateHz, voiceOptions)
    this.voiceSink = {
      sampleRateHz: voiceRateHz,
      write: (samples) => this.tellVoice(activity.hear(samples)),
      close: () => undefined,
    }
    this.call.addSink(this.voiceSink)
    void this.call.ended.then(() => this.tellVoice(false))
  }

  private tellVoice(speaks: boolean): void {
    if (speaks === this.voice) return
    this.voice = speaks
    this.voiceHandler?.(speaks)
  }
}

export class PcmReadable extends ReadableStream<Uint8Array> {
  private readonly missed: { ms: number }

  constructor(call: SpokenCall, sampleRateHz: number) {
    const missed = { ms: 0 }
    let sink: AudioSink | undefined
    const leave = (): void => {
      if (sink) call.removeSink(sink)
      sink = undefined
    }
    super(
      {
        start: (controller) => {
          sink = {
            sampleRateHz,
            write: (samples) => {
              if (controller.desiredSize! > 0) controller.enqueue(octetsOf(samples))
              else missed.ms += (1000 * samples.length) / sampleRateHz
            },
            close: () => undefined,
          }
          call.addSink(sink)
          void call.ended.then(() => {
            if (sink) controller.close()
            leave()
          })
        },
        cancel: leave,
      },
      { highWaterMark: unreadSeconds * sampleRateHz * 2, size: (chunk) => chunk!.byteLength },
    )
    this.missed = missed
  }

  /** What was left out because it was not read in time. */
  get missedMs(): number {
    return this.missed.ms
  }
}

export class PcmWritable extends WritableStream<Uint8Array> {
  private readonly speech: Speech
  /** Octets written so far, and those of them that have come out of the stream's own queue. */
  private readonly octets: { written: number; arrived: number; forgotten: number }

  constructor(call: SpokenCall, sampleRateHz: number) {
    const speech = new Speech(call, sampleRateHz)
    const octets = { written: 0, arrived: 0, forgotten: 0 }
    super(
      {
        write: async (chunk) => {
          octets.arrived += chunk.byteLength
          if (octets.arrived > octets.forgotten) await speech.write(chunk)
        },
        close: () => speech.end(),
        abort: () => speech.abort(),
      },
      {
        highWaterMark: 1,
        // Called when a chunk is written, before it waits for those before it.
        size: (chunk) => {
          octets.written += chunk!.byteLength
          return chunk!.byteLength
        },
      },
    )
    this.speech = speech
    this.octets = octets
  }

  /** Forgets what was written and not sent yet: whoever speaks has been interrupted. Returns how many ms that were. */
  clear(): number {
    const { octets, speech } = this
    const queued = octets.written - Math.max(octets.arrived, octets.forgotten)
    octets.forgotten = octets.written
    return speech.clear(queued)
  }

  /** How much has been sent. */
  get sentMs(): number {
    return this.speech.sentMs
  }
}
