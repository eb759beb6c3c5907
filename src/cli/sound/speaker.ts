// What is heard, into the system's sound by one of its own tools. The pipe takes about a second of it when the tool lags; that
// much would then lie between mouth and ear for the rest of the call, so after every jam it is left to run empty.
import type { AudioSink } from '../../index.ts'
import { ToolProcess } from './tool-process.ts'
import { players, present, soundRateHz } from './tools.ts'

/** What a full pipe holds: 50 writes of 20 ms were measured. */
const pipeMs = 900

export class Speaker implements AudioSink {
  readonly sampleRateHz = soundRateHz
  private readonly tool: ToolProcess
  /** Samples to leave out before the next is written. */
  private toSkip = 0

  constructor(device: string | undefined, onFailed: (why: string) => void) {
    this.tool = new ToolProcess({ role: 'speaker', tools: present(players), device, onFailed })
  }

  write(samples: Int16Array): void {
    const { stdin } = this.tool
    if (!stdin) return
    if ((stdin.writableLength ?? 0) > 0) {
      this.toSkip = Math.round((pipeMs * soundRateHz) / 1000)
      return
    }
    this.toSkip -= samples.length
    if (this.toSkip >= 0) return
    this.toSkip = 0
    stdin.write(
      Buffer.from(samples.buffer.slice(samples.byteOffset, samples.byteOffset + samples.byteLength)),
    )
  }

  close(): void {
    void this.stop()
  }

  stop(): Promise<void> {
    return this.tool.stop()
  }
}
