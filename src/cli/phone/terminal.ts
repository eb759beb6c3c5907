// The phone on a terminal: keys in, pictures out. Everything is drawn on the alternate screen, so that what stood on the
// terminal is there again afterwards, however the phone ends.
import { emitKeypressEvents } from 'node:readline'
import pc from 'picocolors'
import { runCommand } from './commands.ts'
import { complete } from './completion.ts'
import type { PhoneEvent } from './events.ts'
import { actionOf, hint, type KeyAction, letterDelayMs } from './keys.ts'
import { LineEditor } from './line-editor.ts'
import { type LogEntry, type Look, render } from './screen.ts'
import { answerLines, type Kind, sentenceOf } from './sentences.ts'
import { StatusBlock } from './status-block.ts'
import type { Switchboard } from './switchboard.ts'
import { parseWords } from './words.ts'

/** What a terminal must have; the process's own streams, or a test's. */
export interface TerminalInput extends NodeJS.ReadableStream {
  setRawMode?: (raw: boolean) => unknown
}
export interface TerminalOutput extends NodeJS.WritableStream {
  columns?: number
  rows?: number
}

export interface TerminalOptions {
  input: TerminalInput
  output: TerminalOutput
  colours: boolean
  unicode: boolean
}

const refreshMs = 200
/** How long the first Ctrl-C is remembered. */
const interruptMs = 3_000
/** The bell rings this often while a call waits. */
const bellMs = 4_000
const maximumLog = 1_000

const enter = '\x1b[?1049h\x1b[?2004h\x1b[2J'
const leave = '\x1b[?2004l\x1b[?1049l\x1b[?25h'
const bell = '\x07'

interface KeyPress {
  name?: string
  sequence?: string
  ctrl?: boolean
  meta?: boolean
}

export class Terminal {
  private readonly editor = new LineEditor()
  private readonly log: LogEntry[] = []
  private readonly status: StatusBlock
  private readonly look: Omit<Look, 'columns' | 'rows'>
  private painted: string[] = []
  private scrolled = 0
  private maximumScroll = 0
  private pending: { action: KeyAction; timer: NodeJS.Timeout } | undefined
  private pasting = false
  private interruptedAt = Number.NEGATIVE_INFINITY
  private rangAt = Number.NEGATIVE_INFINITY
  private timer: NodeJS.Timeout | undefined
  private drawing: NodeJS.Immediate | undefined
  private closed = false
  private restored = false

  constructor(
    private readonly board: Switchboard,
    private readonly options: TerminalOptions,
  ) {
    this.status = new StatusBlock(board)
    const { bold, dim, green, inverse, red, yellow } = pc.createColors(options.colours)
    const styles = { good: green, bad: red, warn: yellow, dim, strong: bold, inverse }
    this.look = { unicode: options.unicode, style: (kind, text) => styles[kind](text) }
  }

  open(): void {
    const { board } = this
    const { input, output } = this.options
    board.onEvent = (event) => this.onEvent(event)
    emitKeypressEvents(input)
    input.on('keypress', this.onKey)
    output.on('resize', this.onResize)
    input.setRawMode?.(true)
    input.resume()
    output.write(enter)
    // A stack trace belongs on the screen that stays.
    process.once('uncaughtExceptionMonitor', this.restore)
    process.once('exit', this.restore)
    this.timer = setInterval(() => this.tick(), refreshMs)
    this.draw()
  }

  close(): void {
    const { input, output } = this.options
    if (this.closed) return
    this.closed = true
    clearInterval(this.timer)
    this.forgetPending()
    if (this.drawing) clearImmediate(this.drawing)
    input.removeListener('keypress', this.onKey)
    output.removeListener('resize', this.onResize)
    input.pause()
    this.restore()
    process.removeListener('uncaughtExceptionMonitor', this.restore)
    process.removeListener('exit', this.restore)
  }

  private readonly restore = (): void => {
    if (this.restored) return
    this.restored = true
    this.options.input.setRawMode?.(false)
    this.options.output.write(leave)
  }

  // ── what happens ─────────────────────────────────────────────────────────────────────────────

  private onEvent(event: PhoneEvent): void {
    const sentence = sentenceOf(event, this.board)
    if (sentence) this.say(sentence.text, sentence.kind)
    if (event.event === 'message') this.ring()
    if (event.event === 'call' && event.state === 'ringing' && event.direction === 'incoming') this.ring()
    this.changed()
  }

  private tick(): void {
    if (this.board.lines.length === 0) return
    this.status.sample()
    if (this.board.lines.some((line) => line.rings) && this.board.now() - this.rangAt >= bellMs) this.ring()
    this.draw()
  }

  private ring(): void {
    this.rangAt = this.board.now()
    this.options.output.write(bell)
  }

  private say(text: string, kind: Kind = 'plain'): void {
    this.log.push({ at: this.board.now(), text, kind })
    if (this.log.length > maximumLog) this.log.shift()
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────

  private readonly onKey = (text: string | undefined, key: KeyPress): void => {
    if (key.name === 'paste-start' || key.name === 'paste-end') this.pasting = key.name === 'paste-start'
    else if (this.pasting) this.editor.insert(text ?? key.sequence ?? '')
    else this.press(text, key)
    this.changed()
  }

  private readonly special: Record<string, () => void> = {
    tab: () => this.completeWord(),
    escape: () => this.editor.clear(),
    pageup: () => this.scroll(1),
    pagedown: () => this.scroll(-1),
  }

  private press(text: string | undefined, key: KeyPress): void {
    const { editor, pending, board } = this
    const isEmpty = editor.text === ''
    this.forgetPending()
    const special = this.special[key.name ?? '']
    const action = isEmpty && !key.ctrl && !key.meta && text ? actionOf(text, board) : undefined
    if (key.ctrl && (key.name === 'c' || (key.name === 'd' && isEmpty))) this.interrupt()
    else if (key.ctrl && key.name === 'l') this.painted = []
    else if (key.name === 'return' || key.name === 'enter') {
      if (pending) this.act(pending.action)
      else this.submit()
    } else if (special) special()
    else if (action?.atOnce) this.act(action)
    else {
      editor.press({ text, ...key })
      if (action) this.await(action)
    }
  }

  private await(action: KeyAction): void {
    const timer = setTimeout(() => {
      this.act(action)
      this.changed()
    }, letterDelayMs)
    this.pending = { action, timer }
  }

  private forgetPending(): void {
    clearTimeout(this.pending?.timer)
    this.pending = undefined
  }

  private act(action: KeyAction): void {
    this.forgetPending()
    this.editor.clear()
    void this.run(action.line, false)
  }

  /** The first says what the second does. */
  private interrupt(): void {
    this.forgetPending()
    if (this.editor.text !== '') {
      this.editor.clear()
      return
    }
    const now = this.board.now()
    if (now - this.interruptedAt < interruptMs) this.board.leave()
    this.interruptedAt = now
    const calls = this.board.lines.length
    this.say(
      `Ctrl-C once more leaves${calls > 0 ? ` and hangs up ${calls === 1 ? 'the call' : `${calls} calls`}` : ''}`,
      'warn',
    )
  }

  private submit(): void {
    const line = this.editor.submit()
    if (line !== '') void this.run(line, true)
  }

  private async run(line: string, typed: boolean): Promise<void> {
    this.scrolled = 0
    if (typed) this.say(`> ${line}`)
    try {
      const { command, parameters } = parseWords(line)
      const answer = await runCommand(this.board, command.name, parameters)
      const lines = answerLines(command.name, answer)
      if (lines.length > 0) this.say(lines.join('\n'))
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), 'bad')
    }
    this.changed()
  }

  private completeWord(): void {
    const { editor } = this
    const { text, choices } = complete(editor.text.slice(0, editor.cursor), this.board)
    editor.replaceBefore(text)
    if (choices.length > 0) this.say(choices.join('  '))
  }

  private scroll(pages: number): void {
    const page = Math.max(1, Math.floor((this.options.output.rows ?? 24) / 2))
    this.scrolled = Math.max(0, Math.min(this.maximumScroll, this.scrolled + pages * page))
  }

  // ── pictures ─────────────────────────────────────────────────────────────────────────────────

  private readonly onResize = (): void => {
    this.painted = []
    this.draw()
  }

  /** Drawn once for all that happens in one turn. */
  private changed(): void {
    this.drawing ??= setImmediate(() => {
      this.drawing = undefined
      this.draw()
    })
  }

  private draw(): void {
    if (this.restored) return
    const { output } = this.options
    const { columns = 80, rows = 24 } = output
    const { lines, cursor, maximumScroll } = render(
      {
        ...this.status.view(),
        log: this.log,
        scrolled: this.scrolled,
        hint: this.pending
          ? `${this.pending.action.what} in a moment, unless you go on typing`
          : hint(this.board),
        prompt: this.editor,
        blink: Math.floor(this.board.now() / 500) % 2 === 0,
      },
      { ...this.look, columns, rows },
    )
    this.maximumScroll = maximumScroll
    const changes = lines.flatMap((line, row) =>
      line === this.painted[row] ? [] : [`\x1b[${row + 1};1H${line}\x1b[K`],
    )
    if (this.painted.length === 0) changes.unshift('\x1b[2J')
    this.painted = lines
    output.write(`\x1b[?25l${changes.join('')}\x1b[${cursor.row + 1};${cursor.column + 1}H\x1b[?25h`)
  }
}
