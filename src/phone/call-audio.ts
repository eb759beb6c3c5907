// What is played, recorded, heard and dialled in a call: the half of Call that deals in audio.
import type { AudioSink } from '../audio/frames.ts'
import type { Hearing } from '../audio/recognise.ts'
import { UsageError } from '../errors.ts'
import type { OpenedSound, SoundOptions } from '../files/open-sound.ts'
import { openPlayable, type Playable } from '../files/playable.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import type { Body, Session } from '../sip/session.ts'
import { type AudioStream, type Levels, silentLevels } from '../stream/audio-stream.ts'
import type { Trace } from '../trace/trace.ts'
import { AudioStreams } from './audio-streams.ts'
import { toError } from './call-errors.ts'
import type { CallMedia } from './call-media.ts'
import { Deferred } from './deferred.ts'
import { digitTones, HeardDigits } from './dtmf-by-audio.ts'
import { type DtmfOptions, sendDigitsByInfo } from './dtmf-by-info.ts'
import { type CallOptions, defaults } from './options.ts'
import { ReceivedAudio } from './received-audio.ts'
import { digitOfInfo, type ReceivedDigit, ReceivedDigits } from './received-digits.ts'

export abstract class CallAudio {
  /** Resolves when media can flow; rejects with IceFailed, or CallFailed where the call ended before. */
  abstract readonly connected: Promise<void>
  abstract readonly ended: Promise<unknown>
  /** Resolves when all of `play` has been sent; rejects as `connected` does, or with CallFailed where the call ended before. */
  readonly played: Promise<void>
  onDtmf: ((received: ReceivedDigit) => void) | undefined

  /** The same as streams of octets. */
  readonly audio: AudioStreams

  private readonly playedLater = new Deferred<void>()
  private readonly digits: ReceivedDigits
  private readonly heardDigits: HeardDigits
  private readonly received: ReceivedAudio
  /** Of the options: opened before anybody rings, so that a wrong name is known at once, and played as soon as media flows. */
  private first: { sound: OpenedSound; what: string } | undefined
  private isMuted = false

  constructor(
    protected readonly runtime: Runtime,
    protected readonly media: CallMedia,
    readonly trace: Trace,
    keepHeardSeconds: number = defaults.keepHeardSeconds,
  ) {
    this.played = this.playedLater.promise
    this.audio = new AudioStreams(this)
    this.digits = new ReceivedDigits(runtime.clock)
    this.heardDigits = new HeardDigits((digit) => {
      trace.record({ layer: 'audio', type: 'dtmf', direction: 'received', ...digit })
      this.receiveDigit(digit)
    })
    this.received = new ReceivedAudio(runtime, keepHeardSeconds, trace.record)
    media.onStream = (stream) => this.onStream(stream)
  }

  /** Resolves when ICE will choose no other pair, but soon in any case. */
  protected abstract settled(): Promise<void>
  /** Throws where the call is not established. */
  protected abstract confirmedSession(): Session
  protected abstract hasEnded(): boolean
  protected abstract endedError(): Error

  /** All DTMF digits received so far. */
  get dtmf(): string {
    return this.digits.text
  }

  /**
   * Streams a file, a tone, a source or several at once; resolves when its last frame is sent, rejects where the call ends first
   * (nobody needs to wait for that) and, with UsageError, where it cannot be played. What was played before is stopped.
   * @param what path of a file, "tone:440", "tone:697+1209", "silence", or an AudioSource; of several a list, mixed
   */
  play(what: Playable, options: SoundOptions = {}): Promise<void> {
    let sound: OpenedSound
    try {
      sound = openPlayable(what, this.runtime.files, options)
    } catch (error) {
      return Promise.reject(error)
    }
    const played = this.playThrough(sound, typeof what === 'string' ? what : 'source')
    played.catch(() => undefined)
    return played
  }

  private async playThrough(sound: OpenedSound, what: string): Promise<void> {
    let outcome: 'ended' | 'stopped'
    try {
      await this.connected
      await sound.ready
      const stream = this.media.stream
      if (!stream || this.hasEnded()) throw this.endedError()
      outcome = await stream.play(sound.at(stream.sampleRateHz), what)
    } catch (error) {
      sound.close()
      throw error
    }
    if (outcome === 'stopped' && this.hasEnded()) throw this.endedError()
  }

  stopPlaying(): void {
    this.media.stream?.stopPlaying()
  }

  /**
   * Sends digits; "w" waits half a second. By "rtp": telephone-events (RFC 4733). By "info" and "info-relay": INFO with a body of
   * application/dtmf or application/dtmf-relay, for exchanges that want it; rejects with CallFailed where one is refused. By
   * "audio": as tones, in place of what is played. Where nothing is said, by what the peer takes.
   */
  async sendDtmf(digits: string, options: DtmfOptions = {}): Promise<void> {
    if (!/^[0-9A-Da-d*#w]+$/.test(digits))
      throw new UsageError(`"${digits}" is not DTMF: use 0-9 A-D * # and w to wait`)
    if (options.by === 'info' || options.by === 'info-relay') {
      await this.connected
      await sendDigitsByInfo(digits, options.by, options, {
        clock: this.runtime.clock,
        record: this.trace.record,
        send: async (body) => this.confirmedSession().info(body),
      })
      return
    }
    await this.connected
    await this.settled()
    const stream = this.media.stream
    if (!stream || this.hasEnded()) throw this.endedError()
    if (options.by === 'audio' || (options.by === undefined && !stream.takesEvents)) {
      await stream.interject((sampleRateHz) =>
        digitTones(digits, options, sampleRateHz, (digit, durationMs) =>
          this.trace.record({
            layer: 'audio',
            type: 'dtmf',
            direction: 'sent',
            digit,
            durationMs,
            by: 'audio',
          }),
        ),
      )
    } else await stream.sendDtmf(digits, options)
  }

  /** Resolves when `digits` have been received, in order, at any time in the call. */
  async waitForDtmf(digits: string, timeoutMs: Millis): Promise<void> {
    await this.digits.waitFor(digits, timeoutMs)
  }

  /** Records received audio from now on, into a WAV file at the codec's rate or into Ogg/Opus (".opus"); valid at every moment.
   *  Throws UsageError where the file cannot be written, CallFailed where the call is over.
   *  @param options.both stereo: what is sent on the left, what is heard on the right */
  record(path: string, options: { both?: boolean } = {}): void {
    if (this.hasEnded()) throw this.endedError()
    this.received.startRecording(path, options.both)
  }

  /** Finishes the recording; another may be started then. */
  stopRecording(): void {
    this.received.stopRecording()
  }

  /** Sends silence in place of what is played, which goes on unheard. Digits are still sent. */
  mute(): void {
    this.setMuted(true)
  }

  unmute(): void {
    this.setMuted(false)
  }

  get muted(): boolean {
    return this.isMuted
  }

  /** How loud it is now, as a meter shows it: dBov, -127 for silence. */
  levels(): Levels {
    return this.media.stream?.levels() ?? silentLevels
  }

  /** Received audio as mono PCM at the sink's rate, gaps filled with silence. */
  addSink(sink: AudioSink): void {
    this.received.addSink(sink)
  }

  /** Nothing more is written into the sink, which remains its owner's to close. */
  removeSink(sink: AudioSink): void {
    this.received.removeSink(sink)
  }

  /** The audio received so far (the last `keepHeardSeconds` of it): mono PCM, 8000 Hz. */
  heardSamples(): { samples: Int16Array; sampleRateHz: number } {
    return this.received.samples()
  }

  /**
   * Whether what was received contains the expected audio, proved by content. A question only: the verdict does not see it.
   * @param expected path or "tone:440"
   */
  hasHeard(expected: string): Promise<Hearing> {
    return this.received.hasHeard(expected)
  }

  /**
   * Resolves as soon as the expected audio has been heard; rejects with TimeoutError that says what was heard instead.
   * An expectation: the report and its verdict tell whether it was met.
   */
  waitToHear(expected: string, timeoutMs: Millis): Promise<Hearing> {
    return this.received.waitToHear(expected, timeoutMs)
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  /** DTMF by INFO, where it is that. */
  protected receiveInfo(body: Body | undefined): void {
    const received = digitOfInfo(body)
    if (!received) return
    this.trace.record({ layer: 'audio', type: 'dtmf', direction: 'received', ...received })
    this.receiveDigit(received)
  }

  private receiveDigit(received: ReceivedDigit): void {
    if (received.by !== 'audio') this.heardDigits.cameOtherwise()
    this.digits.add(received.digit)
    this.onDtmf?.(received)
  }

  private setMuted(muted: boolean): void {
    this.isMuted = muted
    if (this.media.stream) this.media.stream.muted = muted
  }

  private onStream(stream: AudioStream): void {
    stream.muted = this.isMuted
    this.received.attach(stream)
    this.heardDigits.attach(stream)
    stream.onDtmf = (digit, durationMs) => this.receiveDigit({ digit, durationMs, by: 'rtp' })
    stream.start()
  }

  /** Media can flow: plays what the options name. */
  protected playConfigured(): void {
    const { first } = this
    this.first = undefined
    const played = first ? this.playThrough(first.sound, first.what) : Promise.resolve()
    // A file that cannot be read any more fails `played`, not the process.
    played.then(
      () => this.playedLater.resolve(),
      (error) => this.playedLater.reject(toError(error)),
    )
  }

  protected openFiles(options: CallOptions): void {
    const { play: what, loop = false } = options
    if (what) {
      this.first?.sound.close()
      this.first = { sound: openPlayable(what, this.runtime.files, { loop }), what }
    }
    if (options.record) this.record(options.record)
    if (options.recordBoth) this.record(options.recordBoth, { both: true })
    this.heardDigits.wanted = options.detectDtmf
  }

  protected closeAudio(): void {
    this.first?.sound.close()
    this.heardDigits.close()
    this.received.close()
  }

  /** Nothing will be played or dialled any more. */
  protected giveUpAudio(error: Error): void {
    if (!this.playedLater.isSettled && !this.media.stream?.isPlaying) this.playedLater.reject(error)
    this.digits.close()
  }
}
