// What a program says in a call, octet by octet: played from the first one on, as long as the call lets it.
import type { AudioSink, AudioSource } from '../audio/frames.ts'
import { QueuedSource } from '../audio/queued-source.ts'
import { CallFailed } from '../errors.ts'

/** What a call lends. */
export interface SpokenCall {
  play(source: AudioSource): Promise<void>
  addSink(sink: AudioSink): void
  removeSink(sink: AudioSink): void
  readonly ended: Promise<unknown>
}

/** What of the far end may lie unread. */
export const unreadSeconds = 5

const bytesPerSample = 2

export class Speech {
  /** Nothing will be sent any more. */
  callIsOver = false
  private readonly source: QueuedSource
  private playing: Promise<void> | undefined
  private ended = false

  constructor(
    private readonly call: SpokenCall,
    sampleRateHz: number,
  ) {
    this.source = new QueuedSource(sampleRateHz)
  }

  /** Resolves when there is room for more. */
  write(octets: Uint8Array): Promise<void> {
    this.playing ??= this.play()
    return this.source.push(octets)
  }

  /** Resolves when the last sample has been sent; rejects where some will not be. */
  async end(): Promise<void> {
    this.ended = true
    this.source.end()
    await this.playing
    // Throws where something is left that nobody reads any more.
    if (this.source.waitingSamples > 0) await this.source.push(new Uint8Array(0))
  }

  abort(): void {
    this.ended = true
    this.source.clear()
    this.source.end()
  }

  /** @param queuedBytes what else was written and is forgotten
   *  @returns how much is forgotten, in ms */
  clear(queuedBytes: number): number {
    return this.msOf(this.source.clear() + queuedBytes / bytesPerSample)
  }

  get sentMs(): number {
    return this.msOf(this.source.takenSamples)
  }

  private async play(): Promise<void> {
    const { source } = this
    try {
      await this.call.play(source)
      if (this.ended && source.waitingSamples === 0) return
      source.fail(
        new CallFailed(
          'This stream is not heard any more: something else is played in this call now, or playing was stopped.',
          0,
          'replaced',
        ),
      )
    } catch (error) {
      this.callIsOver = true
      source.fail(error)
    }
  }

  private readonly msOf = (samples: number): number => (1000 * samples) / this.source.sampleRateHz
}
