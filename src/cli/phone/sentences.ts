// What happens at the phone, and what a command answers, as a person reads it.
import { type CallReport, formatReport } from '../../index.ts'
import { describe, describeState } from '../subscribe.ts'
import { describeFailure } from '../text.ts'
import { type Answer, commandNamed, commands } from './commands.ts'
import { shortUri } from './completion.ts'
import type { CallEvent, PhoneEvent } from './events.ts'
import type { Switchboard } from './switchboard.ts'
import { usage } from './words.ts'

export type Kind = 'good' | 'bad' | 'warn' | 'plain'

export interface Sentence {
  text: string
  kind: Kind
}

/** Undefined for what only the status block shows. */
export function sentenceOf(event: PhoneEvent, board: Switchboard): Sentence | undefined {
  switch (event.event) {
    case 'registration':
      return registrationSentence(event)
    case 'call':
      return callSentence(event, board)
    case 'hold': {
      const who = [...(event.local ? ['by us'] : []), ...(event.remote ? ['by the other side'] : [])]
      return plain(
        `call ${event.call} ${who.length > 0 ? `is held ${who.join(' and ')}` : 'goes on: nobody holds it'}`,
      )
    }
    case 'transfer':
      return {
        text: `call ${event.call}: the other side wants you to ${event.attended ? 'talk to' : 'call'} ${shortUri(event.target)}: y does, n stays`,
        kind: 'good',
      }
    case 'message': {
      const text = event.contentType === 'text/plain' ? event.text : `(${event.contentType}) ${event.text}`
      return { text: `${nameOf(event.displayName, event.from)} writes: ${text}`, kind: 'good' }
    }
    case 'subscription':
      return event.state === 'subscribing' ? undefined : plain(describeState(event, shortUri(event.target)))
    case 'notification': {
      const lines = describe(event)
      if (lines.length === 0) return undefined
      return { text: `${shortUri(event.target)}: ${lines.join('\n')}`, kind: 'good' }
    }
    case 'dtmf':
      return plain(`call ${event.call}: the other side dials ${event.digit}`)
    case 'warning':
      return {
        text: event.call === undefined ? event.message : `call ${event.call}: ${event.message}`,
        kind: 'warn',
      }
    case 'listening':
      return event.account === 'anonymous'
        ? plain(`no account: whoever knows the address can call; port ${event.addresses[0]?.port}`)
        : undefined
    case 'connected':
    case 'path':
    case 'levels':
      return undefined
  }
}

function registrationSentence(event: Extract<PhoneEvent, { event: 'registration' }>): Sentence | undefined {
  const { account } = event
  switch (event.state) {
    case 'registered':
      return { text: `${account} is registered for ${event.expiresSeconds} s`, kind: 'good' }
    case 'failed': {
      const again =
        event.retryInMs === undefined ? '' : `; next try in ${Math.round(event.retryInMs / 1_000)} s`
      return { text: `${account} is not registered: ${describeFailure(event)}${again}`, kind: 'bad' }
    }
    case 'unregistered':
      return plain(`${account} is not registered any more`)
    case 'registering':
      return undefined
  }
}

function callSentence(event: CallEvent, board: Switchboard): Sentence | undefined {
  const who = nameOf(event.displayName, event.remote)
  const { call, direction, account } = event
  switch (event.state) {
    case 'calling':
      return direction === 'outgoing' ? plain(`call ${call} goes to ${who}`) : undefined
    case 'ringing':
      return direction === 'outgoing'
        ? plain(`it rings at ${who}`)
        : { text: `${who} calls ${account}${diverted(event)}: a answers, x rejects`, kind: 'good' }
    case 'early-media':
      return plain(`call ${call}: ${who} sends audio before the answer`)
    case 'answered':
      return { text: `call ${call} with ${who} is answered`, kind: 'good' }
    case 'ended':
      return endSentence(event, who, board)
  }
}

/** Whose call it was before it was sent here. */
function diverted({ peer }: CallEvent): string {
  const [by] = peer?.diversion ?? []
  return by ? `, forwarded by ${nameOf(by.displayName, by.uri)}` : ''
}

function endSentence(event: CallEvent, who: string, board: Switchboard): Sentence {
  const { call, status = 0, reason = '', by, report } = event
  const line = board.history.find(({ number }) => number === call)
  if (line?.isMissed) return { text: `missed call from ${who}`, kind: 'bad' }
  const spoken = report?.timings.durationMs
  if (line?.answeredAt === undefined || spoken === undefined) {
    const number = status > 0 && by !== 'network' ? `${status} ` : ''
    const why = by === 'local' && status === 487 ? 'given up' : `${number}${reason}`
    return { text: `call ${call} with ${who} came to nothing: ${why}`, kind: 'warn' }
  }
  const ender = {
    local: reason,
    remote: 'the other side hung up',
    network: `the network ended it: ${reason}`,
  }[by ?? 'local']
  const { verdict } = report ?? {}
  // That a call was short is known to whoever was in it.
  const isWrong = verdict?.ok === false && verdict.cause !== 'bye-before-media'
  const why = isWrong ? `; ${verdict.cause}: ${verdict.fix}` : ''
  return {
    text: `call ${call} with ${who} ended after ${clockText(spoken)}: ${ender}${why}`,
    kind: isWrong ? 'warn' : 'plain',
  }
}

/** What a command has answered, where there is something to say that no event says. */
export function answerLines(command: string, answer: Answer): string[] {
  switch (command) {
    case 'accounts':
      return (answer['accounts'] as Answer[]).map(
        ({ account, state, reason, registrar }) =>
          `${account}: ${state}${registrar ? ` at ${registrar}` : ''}${reason ? `: ${reason}` : ''}`,
      )
    case 'calls': {
      const all = [...(answer['history'] as Answer[]), ...(answer['calls'] as Answer[])]
      if (all.length === 0) return ['no call yet']
      return all.toSorted((one, other) => Number(one['call']) - Number(other['call'])).map(callLine)
    }
    case 'report':
      return formatReport(answer['report'] as CallReport).split('\n')
    case 'levels':
      return (answer['calls'] as Answer[]).map(
        ({ call, sentDbov, sentPeakDbov, receivedDbov, receivedPeakDbov }) =>
          `call ${call}: sent ${sentDbov} dBov (peak ${sentPeakDbov}), received ${receivedDbov} dBov (peak ${receivedPeakDbov})`,
      )
    case 'digits':
      return [`sent ${answer['digits']}`]
    case 'message':
      return [answer['status'] === 202 ? 'sent: a server keeps it for delivery' : 'sent']
    case 'record':
      return [`call ${answer['call']} is recorded to ${answer['file']}`]
    case 'stop-recording':
      return [`${answer['file']} is written`]
    case 'transfer':
      return [`the other side talks to ${answer['target']} now`]
    case 'transfer-to':
      return ['the other sides talk to each other now']
    case 'subscribe':
      return [`subscription ${answer['subscription']}: unsubscribe ${answer['subscription']} ends it`]
    case 'play':
      return ['played']
    case 'help':
      return helpLines(answer['commands'] as { command: string }[])
    default:
      return []
  }
}

function helpLines(named: { command: string }[]): string[] {
  const shown = named.map(({ command }) => commandNamed(command))
  if (shown.length < commands.length)
    return shown.flatMap((command) => [usage(command), `  ${plainly(command.summary)}`])
  return [
    shown.map(({ name }) => name).join(', '),
    'help COMMAND tells what one does and takes. A command may be shortened; Tab completes, Up brings the last one back, Page Up scrolls.',
  ]
}

function callLine({
  call,
  direction,
  remote,
  displayName,
  state,
  durationMs,
  startedAt,
  missed,
  heldBy,
  reason,
}: Answer): string {
  const arrow = direction === 'outgoing' ? '→' : '←'
  const at = timeText(Date.parse(String(startedAt)))
  const held = (heldBy as { local: boolean } | undefined)?.local ? ', held' : ''
  const what = missed
    ? 'missed'
    : durationMs === undefined
      ? `${reason ?? state}`
      : clockText(Number(durationMs))
  return `${at} ${call} ${arrow} ${nameOf(displayName as string | undefined, String(remote))}: ${what}${state === 'ended' ? '' : ` (${state}${held})`}`
}

const plain = (text: string): Sentence => ({ text, kind: 'plain' })

/** "Bob <bob@pbx.example>", or the address alone. */
export const nameOf = (displayName: string | undefined, uri: string): string =>
  displayName ? `${displayName} <${shortUri(uri)}>` : shortUri(uri)

/** "00:42", "1:02:03". */
export function clockText(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1_000))
  const two = (value: number): string => String(value).padStart(2, '0')
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return seconds >= 3_600 ? `${Math.floor(seconds / 3_600)}:${rest}` : rest
}

/** "14:02:11", local time. */
export const timeText = (wallTime: number): string => new Date(wallTime).toTimeString().slice(0, 8)

/** Without the marks of the README. */
const plainly = (summary: string): string => summary.replaceAll('`', '')
