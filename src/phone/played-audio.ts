// What a call plays: files are opened before anybody rings, so that a wrong name is known at once, and streamed once a path is
// open, at their own rate: what the codec can carry of it is not lost on the way.
import { type OpenedSound, openSound } from '../files/open-sound.ts'
import type { Files } from '../runtime/runtime.ts'
import type { AudioStream } from '../stream/audio-stream.ts'

export class PlayedAudio {
  /** Of the call's options: played as soon as media flows. */
  private first: { sound: OpenedSound; what: string } | undefined

  constructor(private readonly files: Files) {}

  /** Throws UsageError where it cannot be opened. */
  setFirst(what: string, loop = false): void {
    this.first?.sound.close()
    this.first = { sound: openSound(what, this.files, { loop }), what }
  }

  /** Resolves with whether it was played to its end; undefined where there is nothing to play. */
  async playFirst(stream: AudioStream | undefined): Promise<boolean | undefined> {
    const { first } = this
    if (!first) return undefined
    this.first = undefined
    if (!stream) {
      first.sound.close()
      return false
    }
    await first.sound.ready
    return (await stream.play(first.sound.at(stream.sampleRateHz), first.what)) === 'ended'
  }

  close(): void {
    this.first?.sound.close()
  }
}
