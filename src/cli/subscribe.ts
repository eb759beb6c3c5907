// floe subscribe [TARGET]: watch a mailbox, somebody's calls or somebody's presence until Ctrl-C.
import { type Command, Option } from 'commander'
import { type Notification, RequestFailed, type SubscriptionState, UsageError } from '../index.ts'
import { exitCodes } from './exit-codes.ts'
import {
  type OutputFlags,
  outputForm,
  type PhoneFlags,
  phoneFlags,
  phoneOptions,
  wholeNumber,
  withTransport,
} from './flags.ts'
import { Output } from './output.ts'
import { withPhone } from './with-phone.ts'

interface Flags extends PhoneFlags, OutputFlags {
  event: string
  expires?: number
}

export function addSubscribe(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('subscribe [target]')
    .description('watch a mailbox, calls or presence until Ctrl-C; without a target your own')
    .addOption(
      new Option('--event <package>', 'message-summary, dialog, presence or another').default(
        'message-summary',
      ),
    )
    .option('--expires <seconds>', 'lifetime to ask for', wholeNumber(1, 86_400))
  outputForm(phoneFlags(command)).action(async (target: string | undefined, flags: Flags) => {
    const output = new Output(flags)
    const options = { ...phoneOptions(flags), register: false }
    if (target === undefined && options.account === undefined)
      throw new UsageError(
        'subscribe needs a target, or an account whose own events are meant: --as alice@host',
      )
    const watched =
      target !== undefined && options.account === undefined ? withTransport(target, flags.transport) : target
    finish(
      await withPhone(options, output, async (phone, interrupt) => {
        const subscription = phone.subscribe(
          watched,
          flags.event,
          flags.expires === undefined ? {} : { expiresSeconds: flags.expires },
        )
        const { event } = subscription
        output.setStatus(`watching ${event} of ${subscription.target}; Ctrl-C ends`)
        subscription.onNotify = (notification) => {
          output.event({ type: 'notification', event, target: subscription.target, ...notification })
          for (const line of describe(notification)) output.line(line)
        }
        const refused = new Promise<never>((_, reject) => {
          subscription.onState = (state) => {
            output.event({ type: 'subscription', event, target: subscription.target, ...state })
            output.line(describeState(state, subscription.target))
            if (state.state !== 'terminated' || state.retryInMs !== undefined || interrupt.happened) return
            const status = state.status ?? 0
            const why = `${status > 0 ? `${status} ` : ''}${state.reason}`
            reject(
              new RequestFailed(
                `${subscription.target} does not tell its ${event}: ${why}.`,
                status,
                state.reason,
              ),
            )
          }
        })
        await Promise.race([interrupt.wait(), refused])
        await subscription.stop()
        return exitCodes.interrupted
      }),
    )
  })
}

export function describeState(state: SubscriptionState, target: string): string {
  switch (state.state) {
    case 'subscribing':
      return `subscribing to ${target}`
    case 'pending':
      return `${target} must still allow it`
    case 'active':
      return `subscribed to ${target} for ${state.expiresSeconds} s`
    case 'terminated': {
      const status = state.status ? `${state.status} ` : ''
      const next =
        state.retryInMs === undefined ? '' : `; next try in ${Math.round(state.retryInMs / 1000)} s`
      return `not subscribed to ${target}: ${status}${state.reason}${next}`
    }
  }
}

/** What strangers write must not steer the terminal. */
const harmless = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, ' ')

export function describe({ messages, dialogs, presence, text }: Notification): string[] {
  if (messages) {
    const counted = Object.entries(messages.counts).map(
      ([name, { new: fresh, old }]) => `${fresh} new ${name}, ${old} old`,
    )
    return [`messages: ${counted.join('; ') || (messages.waiting ? 'waiting' : 'none')}`]
  }
  if (dialogs)
    return dialogs.length === 0
      ? ['no calls']
      : dialogs.map(({ state, direction, remote, remoteName }) =>
          harmless(
            `${direction === 'recipient' ? 'called by' : 'calling'} ${remoteName ?? remote ?? 'somebody'}: ${state}`,
          ),
        )
  if (presence) {
    const words = [...presence.activities, ...presence.notes].join(', ')
    return [harmless(`${presence.entity} is ${presence.open ? 'open' : 'closed'}${words && `: ${words}`}`)]
  }
  return text === undefined ? [] : harmless(text).trim().split(/\r?\n/)
}
