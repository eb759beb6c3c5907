// A tool that plays or records, as a child process. One that gives up at once (no sound server runs, say) is followed by the
// next that the machine has; one that ends later is told of. It never outlives us: its pipe ends with us, and we kill it.
import { type ChildProcess, spawn } from 'node:child_process'
import type { SoundTool } from './tools.ts'

/** Whoever ends earlier has not worked. */
const trialMs = 1_500
/** For a tool that does not end with its pipe. */
const killAfterMs = 500
const maximumErrorCharacters = 500

export interface ToolProcessOptions {
  role: 'speaker' | 'microphone'
  /** In the order in which they are tried. */
  tools: readonly SoundTool[]
  device: string | undefined
  onData?: (data: Buffer) => void
  /** It is over with all of them: one sentence. */
  onFailed: (why: string) => void
}

export class ToolProcess {
  private child: ChildProcess | undefined
  private stopped = false
  private readonly failures: string[] = []

  constructor(private readonly options: ToolProcessOptions) {
    this.tryTool(0)
    process.on('exit', this.kill)
  }

  /** To write into; undefined while there is none. */
  get stdin(): (NodeJS.WritableStream & { writableLength?: number }) | undefined {
    return this.child?.stdin ?? undefined
  }

  /** Resolves when the tool has ended. */
  async stop(): Promise<void> {
    if (this.stopped) return
    this.stopped = true
    process.removeListener('exit', this.kill)
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.stdin?.end()
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    await ended
    clearTimeout(timer)
  }

  private readonly kill = (): void => {
    this.child?.kill('SIGKILL')
  }

  private tryTool(index: number): void {
    const { tools, device, role, onData, onFailed } = this.options
    const tool = tools[index]
    if (!tool) {
      this.child = undefined
      const why =
        this.failures.length > 0
          ? this.failures.join('; ')
          : 'no tool for it is installed; those of PipeWire, PulseAudio, ALSA, SoX or FFmpeg would do'
      onFailed(`the ${role} does not work: ${why}`)
      return
    }
    const startedAt = performance.now()
    const child = spawn(tool.program, tool.args(device), {
      stdio: [role === 'speaker' ? 'pipe' : 'ignore', role === 'speaker' ? 'ignore' : 'pipe', 'pipe'],
      env: { ...process.env, ...(device !== undefined && tool.environment?.(device)) },
    })
    this.child = child
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-maximumErrorCharacters)
    })
    child.stdout?.on('data', (data: Buffer) => onData?.(data))
    // What it leaves unread is told by its end.
    child.stdin?.on('error', () => undefined)
    let over = false
    const end = (how: string): void => {
      if (over || this.stopped) return
      over = true
      const lastWords = said.trim().split('\n').at(-1)
      const failure = `${tool.program} ${how}${lastWords ? ` (${lastWords})` : ''}`
      if (performance.now() - startedAt < trialMs) {
        this.failures.push(failure)
        this.tryTool(index + 1)
      } else {
        this.child = undefined
        onFailed(`the ${role} is off: ${failure}`)
      }
    }
    child.once('error', (error) => end(`could not be started: ${error.message}`))
    child.once('close', (code, signal) => end(signal ? `was ended by ${signal}` : `ended with ${code}`))
  }
}
