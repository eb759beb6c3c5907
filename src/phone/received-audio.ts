// What a call hears: the sinks of its stream, the recording, the last seconds kept in memory, and the question whether
// something was heard. Comparing gives way to the media of the process (audio/steps.ts).
import type { AudioSink } from '../audio/frames.ts'
import { gentleRecogniser, type Hearing, type Pcm } from '../audio/recognise.ts'
import type { Tone } from '../audio/tones.ts'
import { TwoWayRecording } from '../audio/two-way-recording.ts'
import { WavWriter } from '../audio/wav-writer.ts'
import { TimeoutError, UsageError } from '../errors.ts'
import { OpusFileWriter } from '../files/opus-file-writer.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import type { AudioStream } from '../stream/audio-stream.ts'
import type { FactBody } from '../trace/facts.ts'
import { HeardAudio } from './heard-audio.ts'
import { audibleMs, HearingSchedule, readExpected } from './hearing.ts'

/** What is kept to be compared needs no more. */
const heardRateHz = 8_000
/** Of a recording until it is known what the codec's is. */
const firstRateHz = 8_000
/** How often `waitToHear` looks again. */
const hearingIntervalMs = 250

interface Recording {
  readonly writer: WavWriter | OpusFileWriter
  readonly path: string
  /** What hears each direction. */
  readonly received: AudioSink
  readonly sent?: AudioSink
}

export class ReceivedAudio {
  private readonly sinks: AudioSink[] = []
  private readonly heard: HeardAudio
  private recording: Recording | undefined
  private stream: AudioStream | undefined
  private over = false

  constructor(
    private readonly runtime: Runtime,
    keepSeconds: number,
    private readonly record: (fact: FactBody) => void,
  ) {
    this.heard = new HeardAudio(heardRateHz, keepSeconds)
    if (keepSeconds > 0) this.sinks.push(this.heard)
  }

  /** The stream whose audio it is, once there is one. */
  attach(stream: AudioStream): void {
    this.stream = stream
    if (this.recording?.writer instanceof WavWriter) this.recording.writer.useRate(stream.sampleRateHz)
    for (const sink of this.sinks) stream.addSink(sink)
    if (this.recording?.sent) stream.addSentSink(this.recording.sent)
    stream.onSinkError = (error) => this.warn(`received audio is not written any more: ${textOf(error)}`)
  }

  addSink(sink: AudioSink): void {
    this.sinks.push(sink)
    this.stream?.addSink(sink)
  }

  removeSink(sink: AudioSink): void {
    const at = this.sinks.indexOf(sink)
    if (at >= 0) this.sinks.splice(at, 1)
    this.stream?.removeSink(sink)
  }

  /** Into Ogg/Opus where the name ends in ".opus", else WAV.
   *  @param both stereo: what is sent as well */
  startRecording(path: string, both = false): void {
    if (this.recording) throw new UsageError(`this call is already recorded to ${this.recording.path}`)
    const isOpus = /\.opus$/i.test(path)
    if (both && isOpus)
      throw new UsageError(`${path} cannot be recorded: both directions are recorded as WAV alone`)
    const file = this.runtime.files.openForWriting(path)
    try {
      if (isOpus) this.recordTo(path, new OpusFileWriter(file, this.runtime.random.integer(2 ** 32)))
      else {
        const rateHz = this.stream?.sampleRateHz ?? firstRateHz
        const writer = new WavWriter(file, rateHz, both ? 2 : 1)
        this.recordTo(path, writer, both ? new TwoWayRecording(writer) : undefined)
      }
    } catch (error) {
      // Not even the header could be written.
      file.close()
      throw error
    }
  }

  private recordTo(path: string, writer: Recording['writer'], sides?: TwoWayRecording): void {
    const received = sides?.received ?? writer
    this.recording = { writer, path, received, ...(sides && { sent: sides.sent }) }
    this.addSink(received)
    if (sides) this.stream?.addSentSink(sides.sent)
  }

  /** The last seconds, oldest sample first. */
  samples(): Pcm {
    return { samples: this.heard.samples(), sampleRateHz: heardRateHz }
  }

  async hasHeard(expected: string): Promise<Hearing> {
    const { recognise } = await this.listenFor(expected)
    return recognise(this.samples())
  }

  async waitToHear(expected: string, timeoutMs: Millis): Promise<Hearing> {
    const { clock } = this.runtime
    const until = clock.now() + timeoutMs
    const { wanted, recognise } = await this.listenFor(expected)
    const schedule = new HearingSchedule(audibleMs(wanted))
    for (;;) {
      const last = clock.now() >= until || this.over
      if (last || schedule.isTimeToLook(this.stream?.statistics().received.heardMs ?? 0)) {
        const hearing = await recognise(this.samples())
        if (hearing.heard || last) return this.conclude(expected, hearing, timeoutMs)
      }
      await new Promise<void>((resolve) =>
        clock.setTimer(Math.min(hearingIntervalMs, until - clock.now()), resolve),
      )
    }
  }

  /** No more will come: the recording is finished. */
  close(): void {
    this.over = true
    this.stopRecording()
  }

  /** Finishes the file; nothing where nothing is recorded. */
  stopRecording(): void {
    if (!this.recording) return
    const { writer, path, received, sent } = this.recording
    this.recording = undefined
    this.removeSink(received)
    if (sent) this.stream?.removeSink(sent)
    try {
      writer.close()
    } catch (error) {
      this.warn(`recording ${path}: ${textOf(error)}`)
    }
    this.record({ layer: 'audio', type: 'recording', path, durationMs: writer.durationMs })
  }

  private conclude(
    expected: string,
    { heard, score, detail, ...place }: Hearing,
    timeoutMs: Millis,
  ): Hearing {
    this.record({ layer: 'audio', type: 'hearing', expected, heard, score, detail })
    if (heard) return { heard, score, detail, ...place }
    throw new TimeoutError(`${expected} was not heard: ${detail}`, timeoutMs)
  }

  private async listenFor(
    expected: string,
  ): Promise<{ wanted: Pcm | Tone; recognise: (recording: Pcm) => Promise<Hearing> }> {
    const wanted = await readExpected(expected, this.runtime)
    return { wanted, recognise: gentleRecogniser(wanted, this.runtime.clock) }
  }

  private warn(message: string): void {
    this.record({ layer: 'call', type: 'warning', message })
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
