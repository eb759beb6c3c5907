// Pictures of the terminal at fixed sizes, as text.
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type CallView, type Frame, type Look, render, type View } from '../../../../src/cli/phone/screen.ts'
import { textWidth } from '../../../../src/cli/phone/text-width.ts'

beforeAll(() => {
  vi.stubEnv('TZ', 'UTC')
  return () => vi.unstubAllEnvs()
})

const look = (columns: number, rows: number, more: Partial<Look> = {}): Look => ({
  columns,
  rows,
  unicode: true,
  style: (_kind, text) => text,
  ...more,
})
const at = Date.UTC(2026, 0, 2, 14, 2, 11)

const empty: View = {
  accounts: [{ name: 'alice@pbx.example', mark: 'good' }],
  calls: [],
  log: [],
  scrolled: 0,
  hint: 'dial TARGET · Tab completes · help · quit',
  prompt: { text: '', cursor: 0 },
  blink: false,
}
const talking: CallView = {
  number: '1',
  who: 'Bob <bob@pbx.example>',
  current: true,
  rings: false,
  state: 'in call',
  durationMs: 42_000,
  flags: [],
  sentDbov: [-127, -127, -58, -41, -29, -17, -35, -127],
  receivedDbov: [-20, -10],
  media: 'PCMU · host→srflx 203.0.113.9:4000 · loss 0.0 % · jitter 2 ms · RTT 12 ms',
}
const ringing: CallView = {
  number: '2',
  who: 'carol@other.example',
  current: false,
  rings: true,
  state: 'calls you',
  flags: [],
  sentDbov: [],
  receivedDbov: [],
}
const busy: View = {
  ...empty,
  accounts: [
    { name: 'alice@pbx.example', mark: 'good' },
    { name: 'bob@other.example', mark: 'bad', note: '403 Forbidden' },
    { name: 'dave@third.example', mark: 'waiting' },
  ],
  calls: [talking, ringing],
  log: [
    { at, text: 'alice@pbx.example is registered for 300 s', kind: 'good' },
    {
      at: at + 60_000,
      text: 'call 7 with erin@pbx.example ended after 00:12: the other side hung up; no-audio: look at the firewall',
      kind: 'warn',
    },
    {
      at: at + 61_000,
      text: 'carol@other.example calls alice@pbx.example: a answers, x rejects',
      kind: 'good',
    },
  ],
  hint: 'a answers · h holds the call · m mutes · x hangs up · 0-9*# send digits · help',
  prompt: { text: 'message bob hello', cursor: 17 },
}

const picture = ({ lines }: Frame): string => lines.map((line) => line.trimEnd()).join('\n')

describe('the picture', () => {
  test('80x24 while two calls are up', () => {
    expect(picture(render(busy, look(80, 16)))).toBe(`



14:02:11  alice@pbx.example is registered for 300 s
14:03:11  call 7 with erin@pbx.example ended after 00:12: the other side hung
          up; no-audio: look at the firewall
14:03:12  carol@other.example calls alice@pbx.example: a answers, x rejects
────────────────────────────────────────────────────────────────────────────────
✓ alice@pbx.example   ✗ bob@other.example: 403 Forbidden   … dave@third.example
▶ 1 Bob <bob@pbx.example>                in call 00:42  out ▁▁▂▃▅▇▃▁ in ▁▁▁▁▁▁▅▇
    PCMU · host→srflx 203.0.113.9:4000 · loss 0.0 % · jitter 2 ms · RTT 12 ms
  2 carol@other.example                                               calls you
────────────────────────────────────────────────────────────────────────────────
a answers · h holds the call · m mutes · x hangs up · 0-9*# send digits · help
> message bob hello`)
  })

  test('40x12: everything is cut to fit, the prompt stays', () => {
    expect(picture(render(busy, look(40, 12)))).toBe(`          alice@pbx.example: a answers,
          x rejects
────────────────────────────────────────
✓ alice@pbx.example
✗ bob@other.example: 403 Forbidden
… dave@third.example
▶ 1 Bob <bob@pbx.example>  in call 00:42
    PCMU · host→srflx 203.0.113.9:4000 …
  2 carol@other.example       calls you
────────────────────────────────────────
a answers · h holds the call · m mutes …
> message bob hello`)
  })

  test('in ASCII where the terminal knows no more', () => {
    const { lines } = render({ ...busy, calls: [talking] }, look(80, 12, { unicode: false }))
    expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/)
    expect(lines.slice(6, 9).join('\n')).toBe(
      `+ alice@pbx.example   x bob@other.example: 403 Forbidden   ~ dave@third.example
> 1 Bob <bob@pbx.example>                in call 00:42  out __.:=#:_ in ______=#
    PCMU - host>srflx 203.0.113.9:4000 - loss 0.0 % - jitter 2 ms - RTT 12 ms`,
    )
  })

  test('nothing is ever wider or higher than the terminal, and the prompt is its last line', () => {
    const views = [empty, busy, { ...busy, prompt: { text: 'x'.repeat(300), cursor: 150 } }]
    for (const view of views)
      for (const columns of [1, 2, 5, 11, 20, 39, 80, 200])
        for (const rows of [1, 2, 3, 5, 8, 24, 60]) {
          const { lines, cursor } = render(view, look(columns, rows))
          expect(lines.length).toBe(rows)
          for (const line of lines)
            expect(textWidth(line), `${columns}x${rows}: ${line}`).toBeLessThanOrEqual(columns)
          expect(cursor.row).toBe(rows - 1)
          expect(cursor.column).toBeLessThan(columns)
          if (columns > 2) expect(lines.at(-1)).toMatch(/^> /)
        }
  })

  test('a long prompt shows the part around the cursor', () => {
    const text = 'message bob it is a long way to go'
    const { lines, cursor } = render({ ...empty, prompt: { text, cursor: text.length } }, look(20, 5))
    expect(lines.at(-1)).toBe('>  a long way to go')
    expect(cursor.column).toBe(19)
  })

  test('the log scrolls, as far as it reaches', () => {
    const log = Array.from({ length: 50 }, (_, i) => ({ at, text: `line ${i}`, kind: 'plain' as const }))
    const shown = (scrolled: number) => render({ ...empty, log, scrolled }, look(80, 10))
    expect(shown(0).lines.slice(0, 5).at(-1)).toMatch(/line 49$/)
    expect(shown(10).lines.slice(0, 5).at(-1)).toMatch(/line 39$/)
    expect(shown(1_000).lines[0]).toMatch(/line 0$/)
    expect(shown(0).maximumScroll).toBe(45)
  })

  test('what a peer says about itself cannot steer the terminal, and wide characters count twice', () => {
    const who = '\x1b[2J\u202e漢字 <bob@pbx.example>\x07'
    const log = [{ at, text: `${who} calls`, kind: 'plain' as const }]
    const { lines } = render({ ...empty, calls: [{ ...talking, who }], log }, look(80, 10))
    expect(lines.join('')).not.toMatch(/[\p{Cc}\u202e]/u)
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(80)
    expect(textWidth('漢字')).toBe(4)
  })

  test('colours add nothing to the width', () => {
    const coloured = look(80, 18, { style: (kind, text) => `<${kind}>${text}</>` })
    const stripped = render(busy, coloured).lines.map((line) =>
      line.replaceAll(/<\/?(good|bad|warn|dim|strong|inverse)?>/g, ''),
    )
    expect(stripped).toEqual(render(busy, look(80, 18)).lines)
  })
})
