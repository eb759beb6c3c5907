// What the phone can be told, once for both faces: each command has a name, a schema of what goes with it, and what it does.
// `--control` takes it as JSON, the prompt as words (words.ts). What a command answers survives JSON.
import { z } from 'zod'
import { UsageError } from '../../index.ts'
import type { Switchboard } from './switchboard.ts'

export type Answer = Record<string, unknown>

export interface Command {
  readonly name: string
  /** In the README and in `help`: "dials TARGET". */
  readonly summary: string
  readonly parameters: z.ZodObject
  /** Parameters that the prompt takes as bare words, in order; the last one takes the rest of the line. */
  readonly words: readonly string[]
  run(board: Switchboard, parameters: never): Promise<Answer | undefined> | Answer | undefined
}

const command = <Shape extends z.ZodRawShape>(
  name: string,
  summary: string,
  shape: Shape,
  words: readonly (keyof Shape & string)[],
  run: (
    board: Switchboard,
    parameters: z.output<z.ZodObject<Shape>>,
  ) => Promise<Answer | undefined> | Answer | undefined,
): Command => ({ name, summary, parameters: z.strictObject(shape) as never, words, run: run as never })

/** Numbers are welcome where texts of digits are meant: a call, an extension. */
const text = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : value),
  z.string().min(1, 'it is empty'),
)
const call = text.optional().meta({ what: 'call' })
const target = text.meta({ what: 'target' })
const account = text.optional().meta({ what: 'account' })
const sound = text.meta({ what: 'sound' })
const file = text.meta({ what: 'file' })
const digits = text.refine((value) => /^[0-9A-Da-d*#w]+$/.test(value), 'digits are 0-9 A-D * # and w to wait')
const played = { play: sound.optional(), loop: z.boolean().optional(), record: file.optional() }
const milliseconds = (least: number, most: number) => z.number().int().min(least).max(most)

export const commands: readonly Command[] = [
  command(
    'dial',
    'calls `target`; answers when the INVITE is out',
    {
      target,
      account,
      ...played,
      ringTimeoutMs: milliseconds(1, 3_600_000).optional(),
      lateOffer: z.boolean().optional(),
    },
    ['target'],
    async (board, { target, ...options }) => {
      const line = await board.dial(target, given(options))
      return { call: line.number }
    },
  ),
  command(
    'answer',
    'answers the call that rings',
    { call, ...played },
    ['call'],
    async (board, { call, ...options }) => {
      const line = board.ringing(call)
      await board.switchTo(line)
      const answered = await line.call
      await answered.answer(given(options))
      line.recordingTo = options.record
      if (options.play !== undefined) void board.playing(line, answered.played).catch(() => undefined)
      return { call: line.number }
    },
  ),
  command(
    'reject',
    'refuses the call that rings, with `status` (default 486)',
    { call, status: z.number().int().min(300).max(699).optional() },
    ['call', 'status'],
    async (board, { call, status }) => {
      const line = board.ringing(call)
      ;(await line.call).reject(status)
      return { call: line.number }
    },
  ),
  command('hang-up', 'ends a call, whatever its state', { call }, ['call'], async (board, { call }) => {
    const line = board.line(call)
    await (await line.call).hangUp()
    return { call: line.number }
  }),
  command(
    'switch',
    'makes `call`, or the next one, the current call, and takes it back where it is held',
    { call },
    ['call'],
    async (board, { call }) => {
      const line = call === undefined ? board.next() : board.line(call)
      await board.switchTo(line)
      return { call: line.number }
    },
  ),
  command(
    'hold',
    'holds a call: neither end hears the other',
    { call },
    ['call'],
    async (board, { call }) => {
      const line = board.line(call)
      await (await line.call).hold()
      return { call: line.number }
    },
  ),
  command('resume', 'takes a held call back', { call }, ['call'], async (board, { call }) => {
    const line = board.line(call)
    await board.switchTo(line)
    return { call: line.number }
  }),

  command('mute', 'sends silence instead of what is played', { call }, ['call'], async (board, { call }) => {
    const line = board.line(call)
    ;(await line.call).mute()
    return { call: line.number, muted: true }
  }),
  command('unmute', 'sends again what is played', { call }, ['call'], async (board, { call }) => {
    const line = board.line(call)
    ;(await line.call).unmute()
    return { call: line.number, muted: false }
  }),
  command(
    'digits',
    'sends DTMF; answers when the last digit is sent',
    { digits, call, by: z.enum(['rtp', 'info', 'info-relay', 'audio']).optional() },
    ['digits', 'call'],
    async (board, { digits, call, ...options }) => {
      const line = board.line(call)
      await (await line.call).sendDtmf(digits, given(options))
      return { call: line.number, digits }
    },
  ),
  command(
    'play',
    'plays a WAV file, `tone:440`, `busy:de` or `silence`; answers when it has been sent, or was stopped',
    { what: sound, loop: z.boolean().optional(), call },
    ['what'],
    async (board, { what, call, ...options }) => {
      const line = board.line(call)
      await board.playing(line, (await line.call).play(what, given(options)))
      return { call: line.number }
    },
  ),
  command('stop', 'stops playing', { call }, ['call'], async (board, { call }) => {
    const line = board.line(call)
    const playing = await line.call
    playing.stopPlaying()
    board.sound?.speak(playing)
    return { call: line.number }
  }),
  command(
    'record',
    'writes what is heard from now on to a WAV file; `both`: stereo, with what is sent on the left',
    { file, both: z.boolean().optional(), call },
    ['file'],
    async (board, { file, both, call }) => {
      const line = board.line(call)
      ;(await line.call).record(file, { both: both ?? false })
      line.recordingTo = file
      return { call: line.number, file }
    },
  ),
  command('stop-recording', 'finishes the WAV file', { call }, ['call'], async (board, { call }) => {
    const line = board.line(call)
    const file = line.recordingTo
    if (file === undefined) throw new UsageError(`call ${line.number} is not recorded`)
    ;(await line.call).stopRecording()
    line.recordingTo = undefined
    return { call: line.number, file }
  }),
  command(
    'transfer',
    'hands the other side over to `target`; answers when that one has answered',
    { target, call },
    ['target'],
    async (board, { target, call }) => {
      const line = board.line(call)
      await (await line.call).transfer(target)
      return { call: line.number, target }
    },
  ),
  command(
    'transfer-to',
    'connects the other sides of two calls with each other and leaves both',
    { to: text.meta({ what: 'call' }), call },
    ['to', 'call'],
    async (board, { to, call }) => {
      const other = board.line(to)
      const line = call === undefined ? board.otherThan(other) : board.line(call)
      await (await line.call).transferTo(await other.call)
      return { call: line.number, to }
    },
  ),
  command(
    'accept-transfer',
    'calls whom the other side names, in its place',
    { call },
    ['call'],
    async (board, { call }) => {
      const line = await board.acceptTransfer(board.line(call))
      return { call: line.number }
    },
  ),
  command(
    'reject-transfer',
    'stays with the other side, which wanted to hand us over',
    { call, status: z.number().int().min(300).max(699).optional() },
    ['call', 'status'],
    (board, { call, status }) => {
      const line = board.line(call)
      board.rejectTransfer(line, status)
      return { call: line.number }
    },
  ),
  command(
    'message',
    'sends a text message; `status` 202 means that a server keeps it for delivery',
    { target, text, account },
    ['target', 'text'],
    async (board, { target, text, account }) => {
      const phone = await board.account(account).ready()
      return { ...(await phone.message(target, text)) }
    },
  ),
  command(
    'levels',
    'tells how loud it is; with `intervalMs` as events from now on, 0 stops them',
    { intervalMs: z.union([z.literal(0), milliseconds(20, 60_000)]).optional() },
    ['intervalMs'],
    (board, { intervalMs }) => {
      if (intervalMs !== undefined) board.tellLevels(intervalMs)
      return { calls: board.lines.map((line) => ({ call: line.number, ...line.levels() })) }
    },
  ),
  command(
    'subscribe',
    'watches a mailbox (`message-summary`, the default), `dialog` or `presence`, of `target` or our own',
    { package: text.optional(), target: target.optional(), account },
    ['package', 'target'],
    async (board, { package: eventPackage = 'message-summary', target, account }) => {
      const phone = await board.account(account).ready()
      return { subscription: board.subscriptions.begin(phone, eventPackage, target) }
    },
  ),
  command(
    'unsubscribe',
    'ends a subscription',
    { subscription: text },
    ['subscription'],
    async (board, { subscription }) => {
      await board.subscriptions.end(subscription)
      return { subscription }
    },
  ),
  command(
    'register',
    'registers an account now; events tell how it goes',
    { account },
    ['account'],
    async (board, { account }) => {
      const found = board.account(account)
      await found.register()
      return { account: found.name }
    },
  ),
  command(
    'unregister',
    'takes an account from its server: nobody finds it any more',
    { account },
    ['account'],
    async (board, { account }) => {
      const found = board.account(account)
      await (await found.ready()).unregister()
      return { account: found.name }
    },
  ),
  command('accounts', 'lists the accounts and their registrations', {}, [], (board) => ({
    accounts: board.accounts.map(({ name, registration, phone }) => ({
      account: name,
      ...registration,
      addresses: phone?.addresses ?? [],
    })),
  })),
  command('calls', 'lists the calls that are up, and those that were', {}, [], (board) => ({
    calls: board.lines.map((line) => line.describe()),
    history: board.history.map((line) => line.describe()),
  })),
  command(
    'report',
    'tells all about a call that is up or over',
    { call },
    ['call'],
    async (board, { call }) => {
      const line = board.anyLine(call)
      const report = line.report ?? (line.isOver ? undefined : (await line.call).report())
      if (!report) throw new UsageError(`call ${line.number} was never made: ${line.outcome?.reason}`)
      return { call: line.number, report }
    },
  ),
  command(
    'help',
    'lists the commands, or tells of one',
    { command: text.optional().meta({ what: 'command' }) },
    ['command'],
    (_board, { command }) => ({
      commands: (command === undefined ? commands : [commandNamed(command)]).map(
        ({ name, summary, parameters }) => ({
          command: name,
          summary,
          takes: Object.entries(parameters.shape).map(([parameter, schema]) => ({
            parameter,
            optional: schema.safeParse(undefined).success,
          })),
        }),
      ),
    }),
  ),
  command('quit', 'hangs up, un-registers and ends', {}, [], (board) => {
    board.leave()
    return undefined
  }),
]

export const commandNamed = (name: string): Command => {
  const found = commands.find((each) => each.name === name)
  if (!found)
    throw new UsageError(
      `there is no command ${JSON.stringify(name)}: there is ${commands.map((each) => each.name).join(', ')}`,
    )
  return found
}

/** Checks what goes with a command and runs it. Rejects with one sentence. */
export async function runCommand(board: Switchboard, name: string, parameters: object): Promise<Answer> {
  const found = commandNamed(name)
  const checked = found.parameters.safeParse(parameters)
  if (!checked.success) throw new UsageError(`${name}: ${explain(checked.error, parameters)}`)
  return (await found.run(board, checked.data as never)) ?? {}
}

function explain(error: z.ZodError, parameters: object): string {
  const [issue] = error.issues
  if (!issue) return 'what goes with it cannot be understood'
  if (issue.code === 'unrecognized_keys')
    return `it takes no ${issue.keys.map((key) => `"${key}"`).join(' or ')}`
  const where = issue.path.join('.')
  if (!(where in parameters)) return `"${where}" is missing`
  return `"${where}": ${issue.message}`
}

/** Without what was left out. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}
