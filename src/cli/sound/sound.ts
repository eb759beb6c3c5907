// Speaker and microphone of the phone: both belong to the call that is current, run while there is one, and are touched only
// where they were asked for. What is played from a file takes the microphone's place for as long as it lasts.
import type { Call } from '../../index.ts'
import { Microphone } from './microphone.ts'
import { Speaker } from './speaker.ts'

export interface SoundOptions {
  /** A device as the system's tools name it, or true for its default; absent: none. */
  speaker?: string | true
  microphone?: string | true
}

export class Sound {
  onFailed: ((why: string) => void) | undefined
  private followed: Call | undefined
  private speaker: Speaker | undefined
  private microphone: Microphone | undefined
  /** Files that are being played in the followed call and others. */
  private readonly playing = new Map<Call, number>()
  private readonly stopping = new Set<Promise<void>>()

  constructor(private readonly options: SoundOptions) {}

  /** Connects the sound to this call, and to no other. */
  follow(call: Call | undefined): void {
    if (call === this.followed) return
    if (this.followed && this.speaker) this.followed.removeSink(this.speaker)
    this.microphone?.detach()
    this.followed = call
    if (!call) {
      void this.release()
      return
    }
    const { speaker, microphone } = this.options
    const failed = (why: string): void => this.onFailed?.(why)
    if (speaker !== undefined) {
      this.speaker ??= new Speaker(deviceOf(speaker), failed)
      call.addSink(this.speaker)
    }
    if (microphone !== undefined) this.microphone ??= new Microphone(deviceOf(microphone), failed)
    this.speak(call)
  }

  /** Lets the microphone wait until what is played in its place is over. */
  async during(call: Call, played: Promise<void>): Promise<void> {
    this.playing.set(call, (this.playing.get(call) ?? 0) + 1)
    if (call === this.followed) this.microphone?.detach()
    try {
      await played
    } finally {
      const left = (this.playing.get(call) ?? 1) - 1
      if (left > 0) this.playing.set(call, left)
      else this.playing.delete(call)
      this.speak(call)
    }
  }

  /** Sends what the microphone hears, where nothing else is played. */
  speak(call: Call): void {
    if (!this.microphone || call !== this.followed || this.playing.has(call) || call.state === 'ended') return
    // It ends with the call, or because something else is played.
    call.play(this.microphone.attach()).catch(() => undefined)
  }

  /** Resolves when every tool has ended. */
  async close(): Promise<void> {
    this.follow(undefined)
    await this.release()
    await Promise.all(this.stopping)
  }

  private async release(): Promise<void> {
    const stopped = [this.speaker?.stop(), this.microphone?.stop()]
    this.speaker = undefined
    this.microphone = undefined
    const all = Promise.all(stopped).then(() => undefined)
    this.stopping.add(all)
    await all
    this.stopping.delete(all)
  }
}

const deviceOf = (named: string | true): string | undefined => (named === true ? undefined : named)
