// Single keys at an empty prompt. Digits, y and n act at once, for no command begins with them. Another letter could begin a
// word, so it waits a moment: another key makes it typing, Enter or the moment's end does what it stands for.
import type { Line } from './line.ts'
import type { Switchboard } from './switchboard.ts'

/** Who types a word is quicker. */
export const letterDelayMs = 500

export interface KeyAction {
  /** As it could have been typed. */
  line: string
  /** For the hint line: "holds the call". */
  what: string
  atOnce: boolean
}

/** What a key does now; undefined where it is nothing but a letter. */
export function actionOf(key: string, board: Switchboard): KeyAction | undefined {
  const { current } = board
  const letter = (line: string, what: string): KeyAction => ({ line, what, atOnce: false })
  if (/^[0-9*#]$/.test(key))
    return isTalking(current) ? { line: `digits ${key}`, what: `sends ${key}`, atOnce: true } : undefined
  switch (key) {
    case 'y':
      return current?.transfer && { line: 'accept-transfer', what: 'calls them', atOnce: true }
    case 'n':
      return current?.transfer && { line: 'reject-transfer', what: 'stays', atOnce: true }
    case 'a':
      return board.lines.some((line) => line.rings) ? letter('answer', 'answers') : undefined
    case 'x': {
      const ringing = board.lines.find((line) => line.rings)
      if (current?.rings || (!current && ringing)) return letter('reject', 'rejects the call')
      return current && letter('hang-up', 'hangs up')
    }
    case 'h':
      if (current?.state !== 'answered') return undefined
      return current.heldBy.local ? letter('resume', 'takes the call back') : letter('hold', 'holds the call')
    case 'm':
      if (!current || current.rings) return undefined
      return current.muted ? letter('unmute', 'unmutes') : letter('mute', 'mutes')
    default:
      return undefined
  }
}

/** The keys that do something now, for the hint line. */
export function hint(board: Switchboard): string {
  const letters = ['y', 'n', 'a', 'h', 'm', 'x'].flatMap((key) => {
    const action = actionOf(key, board)
    return action ? [`${key} ${action.what}`] : []
  })
  const digits = isTalking(board.current) ? ['0-9*# send digits'] : []
  const rest = board.lines.length === 0 ? ['dial TARGET', 'Tab completes', 'help', 'quit'] : ['help']
  return [...letters, ...digits, ...rest].join(' · ')
}

const isTalking = (line: Line | undefined): boolean =>
  (line?.state === 'answered' || line?.state === 'early-media') && !line.heldBy.local
