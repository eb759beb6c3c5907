// A call's audio as one stream of Node: what is read is what the far end says, what is written is said to it. Ends as a socket
// does: reading with the call, without an error; writing with 'close', since nobody can write on. 'finish' comes when the last
// sample has been sent.
import { Duplex } from 'node:stream'
import type { AudioSink } from '../audio/frames.ts'
import { octetsOf } from '../audio/queued-source.ts'
import { Speech, type SpokenCall, unreadSeconds } from './speech.ts'

export class PcmDuplex extends Duplex {
  /** What was left out because it was not read in time. */
  missedMs = 0
  private readonly speech: Speech
  private readonly sink: AudioSink
  private arrivedBytes = 0
  private forgottenBytes = 0
  private inFlightBytes = 0

  constructor(
    private readonly call: SpokenCall,
    sampleRateHz: number,
  ) {
    super({ readableHighWaterMark: unreadSeconds * sampleRateHz * 2 })
    this.speech = new Speech(call, sampleRateHz)
    this.sink = {
      sampleRateHz,
      write: (samples) => {
        if (this.readableLength < this.readableHighWaterMark) this.push(octetsOf(samples))
        else this.missedMs += (1000 * samples.length) / sampleRateHz
      },
      close: () => undefined,
    }
    call.addSink(this.sink)
    void call.ended.then(() => this.leave())
  }

  /** Forgets what was written and not sent yet: whoever speaks has been interrupted. Returns how many ms that were. */
  clear(): number {
    const writtenBytes = this.arrivedBytes + this.writableLength - this.inFlightBytes
    const queuedBytes = writtenBytes - Math.max(this.arrivedBytes, this.forgottenBytes)
    this.forgottenBytes = writtenBytes
    return this.speech.clear(queuedBytes)
  }

  /** How much has been sent. */
  get sentMs(): number {
    return this.speech.sentMs
  }
  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.arrivedBytes += chunk.length
    if (this.arrivedBytes <= this.forgottenBytes) {
      done()
      return
    }
    this.inFlightBytes = chunk.length
    this.speech.write(chunk).then(
      () => {
        this.inFlightBytes = 0
        done()
      },
      (error: Error) => this.fail(error, done),
    )
  }

  override _final(done: (error?: Error) => void): void {
    this.speech.end().then(
      () => done(),
      (error: Error) => this.fail(error, done),
    )
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.call.removeSink(this.sink)
    this.speech.abort()
    done(error)
  }

  /** That the far end has hung up is no error of a program. Who waits for a write is told when the stream has closed. */
  private fail(error: Error, done: (error?: Error) => void): void {
    if (this.speech.callIsOver) this.once('close', () => done(error))
    else done(error)
  }

  /** The call is over. What has been heard may still be read. */
  private leave(): void {
    if (this.destroyed) return
    this.call.removeSink(this.sink)
    this.push(null)
    if (this.readableDidRead) this.once('end', () => this.destroy())
    else this.destroy()
  }
}
