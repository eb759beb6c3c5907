// What is spoken, from the system's sound by one of its own tools, for the source that is attached.
import { LiveSource } from '../../index.ts'
import { ToolProcess } from './tool-process.ts'
import { present, recorders, soundRateHz } from './tools.ts'

const bytesPerSample = 2

export class Microphone {
  private readonly tool: ToolProcess
  private source: LiveSource | undefined
  /** Half a sample may come in one piece, and half in the next. */
  private rest = Buffer.alloc(0)

  constructor(device: string | undefined, onFailed: (why: string) => void) {
    this.tool = new ToolProcess({
      role: 'microphone',
      tools: present(recorders),
      device,
      onData: (data) => this.take(data),
      onFailed,
    })
  }

  /** Whoever had the microphone before has it no more. */
  attach(): LiveSource {
    this.detach()
    this.source = new LiveSource(soundRateHz)
    return this.source
  }

  detach(): void {
    this.source?.end()
    this.source = undefined
  }

  stop(): Promise<void> {
    this.detach()
    return this.tool.stop()
  }

  private take(data: Buffer): void {
    const bytes = this.rest.length > 0 ? Buffer.concat([this.rest, data]) : data
    const samples = new Int16Array(Math.floor(bytes.length / bytesPerSample))
    for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(i * bytesPerSample)
    this.rest = Buffer.from(bytes.subarray(samples.length * bytesPerSample))
    this.source?.write(samples)
  }
}
