// What a verb shows: one live line, or several, and a readable end on a terminal, one JSON object a line when piped. On standard
// error where standard output carries sound.
import pc from 'picocolors'
import type { Call, CallReport, Fact } from '../index.ts'
import { formatFact, formatReport } from '../index.ts'
import { isPiped, type OutputFlags } from './flags.ts'
import { complain, wrapped } from './text.ts'

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const refreshMs = 120

/** Times and measures need no more digits than that. */
const thousandths = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Math.round(value * 1_000) / 1_000 : value

export class Output {
  readonly json: boolean
  /** Whether there is a terminal that living lines are drawn on. */
  readonly isLive: boolean
  private readonly verbose: boolean
  private status: () => readonly string[] = () => []
  /** Lines on the screen now that will be drawn again. */
  private drawn = 0
  private tick = 0
  private timer: NodeJS.Timeout | undefined

  private readonly stream: NodeJS.WriteStream

  constructor(flags: OutputFlags & { record?: string }) {
    this.stream = isPiped(flags.record) ? process.stderr : process.stdout
    const terminal = this.stream.isTTY === true
    this.json = flags.output === 'json' || (flags.output === undefined && !terminal)
    this.verbose = flags.verbose === true
    this.isLive = !this.json && terminal
  }

  /** The live line's text; nothing where there is no terminal. */
  setStatus(text: string): void {
    this.live(() => [text])
  }

  /** The same for several lines, asked for again at each drawing. */
  live(status: () => readonly string[]): void {
    this.status = status
    if (!this.isLive) return
    this.draw()
    this.timer ??= setInterval(() => this.draw(), refreshMs).unref()
  }

  /** A line for people; machines get `event`. */
  line(text = ''): void {
    if (this.json) return
    this.erase()
    const { columns } = this.stream
    this.stream.write(`${columns ? wrapped(text, columns) : text}\n`)
  }

  event(event: Record<string, unknown>): void {
    if (this.json) this.stream.write(`${JSON.stringify(event, thousandths)}\n`)
  }

  warn(text: string): void {
    this.erase()
    complain(`${pc.yellow('!')} ${text}\n`)
  }

  error(text: string): void {
    this.erase()
    if (this.json) this.event({ type: 'error', message: text })
    complain(`floe: ${text}\n`)
  }

  /** Follows a call: its facts as JSON lines, or its ladder with -v. */
  follow(call: Call): void {
    const startedAt = call.trace.facts[0]?.at
    for (const fact of call.trace.facts) this.fact(fact, call, startedAt)
    call.trace.subscribe((fact) => this.fact(fact, call, startedAt ?? fact.at))
  }

  report(report: CallReport): void {
    this.clear()
    if (this.json) this.event({ type: 'report', report })
    else this.line(formatReport(report, { style: this.style }))
  }

  clear(): void {
    if (this.timer) clearInterval(this.timer)
    this.timer = undefined
    this.erase()
  }

  readonly style = (kind: 'good' | 'bad' | 'dim' | 'strong' | 'warn', text: string): string => {
    switch (kind) {
      case 'good':
        return pc.green(text)
      case 'bad':
        return pc.red(text)
      case 'dim':
        return pc.dim(text)
      case 'strong':
        return pc.bold(text)
      case 'warn':
        return pc.yellow(text)
    }
  }

  private fact(fact: Fact, call: Call, startedAt: number | undefined): void {
    if (this.json) this.event({ ...fact, ...(call.id && { call: call.id }) })
    else if (this.verbose) {
      const text = formatFact(fact, startedAt ?? fact.at)
      if (text) this.line(text)
    } else if (fact.layer === 'call' && fact.type === 'warning')
      this.line(`${pc.yellow('!')} ${fact.message}`)
  }

  private draw(): void {
    this.erase()
    const frame = pc.cyan(spinner[this.tick++ % spinner.length] ?? '')
    const width = (this.stream.columns ?? 80) - 3
    const lines = this.status().map((line) => `${frame} ${line.slice(0, width)}`)
    this.stream.write(lines.join('\n'))
    this.drawn = lines.length
  }

  private erase(): void {
    if (this.drawn > 0) this.stream.write(`\r\x1b[2K${'\x1b[1A\x1b[2K'.repeat(this.drawn - 1)}`)
    this.drawn = 0
  }
}
