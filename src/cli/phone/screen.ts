// The terminal's picture, line by line, from what there is to show: the log above, then accounts, calls, hint and prompt. A
// function of its input alone; terminal.ts paints it.
import type { Kind } from './sentences.ts'
import { clockText, timeText } from './sentences.ts'
import { column, fitted, harmless, textWidth } from './text-width.ts'

export interface AccountView {
  name: string
  mark: 'good' | 'bad' | 'waiting' | 'none'
  /** What is wrong. */
  note?: string
}

export interface CallView {
  number: string
  who: string
  current: boolean
  rings: boolean
  /** "in call", "calling", "held". */
  state: string
  durationMs?: number
  flags: string[]
  /** The latest levels, the newest last. */
  sentDbov: number[]
  receivedDbov: number[]
  /** "PCMU · host→srflx 192.0.2.1:4000 · loss 0.0 % · jitter 2 ms". */
  media?: string
}

export interface LogEntry {
  at: number
  text: string
  kind: Kind
}

export interface View {
  accounts: AccountView[]
  calls: CallView[]
  log: readonly LogEntry[]
  /** How many lines of the log are scrolled away below. */
  scrolled: number
  hint: string
  prompt: { text: string; cursor: number }
  /** Turns while something rings. */
  blink: boolean
}

export interface Look {
  columns: number
  rows: number
  /** Without it only ASCII is drawn. */
  unicode: boolean
  style: (kind: 'good' | 'bad' | 'warn' | 'dim' | 'strong' | 'inverse', text: string) => string
}

export interface Frame {
  /** Exactly as many as the terminal has rows. */
  lines: string[]
  /** From 0. */
  cursor: { row: number; column: number }
  /** How far the log can be scrolled. */
  maximumScroll: number
}

const unicodeGlyphs = {
  good: '✓',
  bad: '✗',
  waiting: '…',
  none: '-',
  current: '▶',
  rule: '─',
  bars: '▁▂▃▅▇',
  mark: '…',
}
const asciiGlyphs = {
  good: '+',
  bad: 'x',
  waiting: '~',
  none: '-',
  current: '>',
  rule: '-',
  bars: '_.:=#',
  mark: '~',
}
type Glyphs = typeof unicodeGlyphs

/** Levels above these are one bar higher each: silence, a murmur, soft speech, speech, a loud voice. */
const barStepsDbov = [-60, -42, -30, -18]
const barsShown = 8
const logIndent = ' '.repeat(10)
/** Fewer rows of log would tell nothing. */
const minimumLogRows = 2

export function render(view: View, look: Look): Frame {
  const glyphs = look.unicode ? unicodeGlyphs : asciiGlyphs
  const prompt = promptLine(view.prompt, look.columns)
  const rule = look.style('dim', glyphs.rule.repeat(look.columns))
  const status = [
    ...accountLines(view.accounts, look, glyphs),
    ...view.calls.flatMap((call) => callLines(call, view.blink, look, glyphs)),
  ]
  const hint = look.style('dim', fitted(view.hint, look.columns, glyphs.mark))
  const fixed = [rule, ...status.slice(0, Math.max(0, look.rows - 4 - minimumLogRows)), rule, hint]
  // Where there is hardly a row, the prompt is what counts.
  const below = fixed.slice(Math.max(0, fixed.length + 1 - look.rows))
  const logRows = Math.max(0, look.rows - below.length - 1)
  const log = view.log.flatMap((entry) => logLines(entry, look))
  const maximumScroll = Math.max(0, log.length - logRows)
  const end = log.length - Math.min(view.scrolled, maximumScroll)
  const shown = logRows === 0 ? [] : log.slice(Math.max(0, end - logRows), end)
  const empty = Array.from({ length: logRows - shown.length }, () => '')
  const drawn = [...empty, ...shown, ...below, prompt.line].slice(0, look.rows)
  const lines = look.unicode ? drawn : drawn.map(inAscii)
  return { lines, cursor: { row: lines.length - 1, column: prompt.column }, maximumScroll }
}

const inAscii = (line: string): string =>
  line
    .replaceAll('·', '-')
    .replaceAll('→', '>')
    .replaceAll('…', '~')
    // Escape sequences of colours are ASCII, too.
    .replaceAll(/[^\x1b-\x7e]/g, '?')

/** Accounts beside each other as long as they fit. */
function accountLines(accounts: readonly AccountView[], { columns, style }: Look, glyphs: Glyphs): string[] {
  const lines: { plain: string; styled: string }[] = []
  for (const { name, mark, note } of accounts) {
    const text = fitted(
      harmless(` ${note === undefined ? name : `${name}: ${note}`}`),
      columns - 2,
      glyphs.mark,
    )
    const glyph = glyphs[mark]
    const styled = mark === 'good' || mark === 'bad' ? style(mark, glyph) : style('dim', glyph)
    const last = lines.at(-1)
    if (last && textWidth(last.plain) + 3 + 1 + textWidth(text) <= columns) {
      last.plain += `   ${glyph}${text}`
      last.styled += `   ${styled}${text}`
    } else lines.push({ plain: glyph + text, styled: styled + text })
  }
  return lines.map((line) => line.styled)
}

function callLines(call: CallView, blink: boolean, { columns, style }: Look, glyphs: Glyphs): string[] {
  const { number, who, state, durationMs, flags, current, rings } = call
  const head = `${current ? glyphs.current : ' '} ${number} `
  const time = durationMs === undefined ? '' : ` ${clockText(durationMs)}`
  const what = [state + time, ...flags].join(' · ')
  const levels = call.sentDbov.length + call.receivedDbov.length > 0
  const meters = levels ? ` out ${bars(call.sentDbov, glyphs)} in ${bars(call.receivedDbov, glyphs)}` : ''
  const roomForMeters = columns - textWidth(head) - textWidth(what) - meters.length >= 16
  const tail = `  ${what}${roomForMeters ? ` ${meters}` : ''}`
  const whoColumns = Math.max(0, columns - textWidth(head) - textWidth(tail))
  const line = fitted(head + column(harmless(who), whoColumns) + tail, columns, glyphs.mark)
  const styled = rings ? style(blink ? 'inverse' : 'strong', line) : current ? style('strong', line) : line
  const media = call.media && style('dim', fitted(`    ${harmless(call.media)}`, columns, glyphs.mark))
  return media ? [styled, media] : [styled]
}

function bars(levels: readonly number[], glyphs: Glyphs): string {
  const shown = levels.slice(-barsShown)
  const drawn = shown.map((level) => glyphs.bars[barStepsDbov.filter((step) => level > step).length])
  return drawn.join('').padStart(barsShown, glyphs.bars[0])
}

/** Cut into lines of the terminal's width; what does not fit goes on below the text. */
function logLines({ at, text, kind }: LogEntry, { columns, style }: Look): string[] {
  const room = Math.max(1, columns - logIndent.length)
  return text.split('\n').flatMap((part, partIndex) =>
    pieces(harmless(part), room).map((piece, index) => {
      const label = partIndex === 0 && index === 0 ? style('dim', `${timeText(at)}  `) : logIndent
      const shown = kind === 'plain' ? piece : style(kind, piece)
      return columns > logIndent.length ? label + shown : shown
    }),
  )
}

/** Broken between words where that is possible. */
function pieces(text: string, columns: number): string[] {
  const lines: string[] = []
  let rest = text
  while (textWidth(rest) > columns) {
    const most = fitted(rest, columns, '')
    const blank = most.lastIndexOf(' ')
    const cut = blank > columns / 2 ? most.slice(0, blank) : most || [...rest][0]!
    lines.push(cut)
    rest = rest.slice(cut.length).trimStart()
  }
  return [...lines, rest]
}

/** The part of the line around the cursor. */
function promptLine({ text, cursor }: View['prompt'], columns: number): { line: string; column: number } {
  const before = text.slice(0, cursor)
  const room = Math.max(1, columns - 3)
  let from = 0
  while (textWidth(before.slice(from)) > room) from += [...before.slice(from)][0]!.length
  const line = fitted(`> ${text.slice(from)}`, columns - 1, '')
  return { line, column: Math.min(columns - 1, 2 + textWidth(before.slice(from))) }
}
