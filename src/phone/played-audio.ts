// What a call plays: files are opened before anybody rings, so that a wrong name is known at once, and streamed once a path is
// open.
import type { AudioSource } from '../audio/frames.ts'
import { openSource } from '../audio/open-source.ts'
import { repeated } from '../audio/sources.ts'
import type { Files } from '../runtime/runtime.ts'
import type { AudioStream } from '../stream/audio-stream.ts'
import { callSampleRateHz } from './received-audio.ts'

export class PlayedAudio {
  /** Of the call's options: played as soon as media flows. */
  private first: { source: AudioSource; what: string } | undefined

  constructor(private readonly files: Files) {}

  /** Throws UsageError where it cannot be opened. */
  setFirst(what: string, loop = false): void {
    this.first?.source.close()
    this.first = { source: this.open(what, loop), what }
  }

  /** Resolves with whether it was played to its end; undefined where there is nothing to play. */
  async playFirst(stream: AudioStream | undefined): Promise<boolean | undefined> {
    const { first } = this
    if (!first) return undefined
    this.first = undefined
    return (await stream?.play(first.source, first.what)) === 'ended'
  }

  open(what: string, loop = false): AudioSource {
    const open = () => openSource(what, this.files, callSampleRateHz)
    return loop ? repeated(open) : open()
  }

  close(): void {
    this.first?.source.close()
  }
}
