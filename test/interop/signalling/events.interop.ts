// Subscriptions (RFC 6665) to the mailbox of an account (RFC 3842) at a notifier that is a SIPp on a ladder: what a real exchange
// does not do when one waits for it.
import { expect } from 'vitest'
import type { Subscription, SubscriptionState } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { startPhone } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { type LadderOptions, Sipp } from '../peers/sipp.ts'
import { listOfRows } from '../peers/sipp-calls.ts'
import { receive, replied, reply, request, type Step } from '../peers/sipp-scenario.ts'
import { sideBySide } from '../side-by-side.ts'

const { rows, row } = listOfRows()

const event = 'message-summary'

const subscribes = receive('SUBSCRIBE', { Event: event, Accept: 'application/simple-message-summary' })
const granted = reply(200, { headers: { Expires: '60' }, to: 'SUBSCRIBE' })
const notifies = (state: string, text?: string): Step[] => [
  request('NOTIFY', {
    headers: { Event: event, 'Subscription-State': state },
    ...(text !== undefined && { body: { type: 'application/simple-message-summary', text } }),
  }),
  replied(200),
]
const unsubscribes = [
  receive('SUBSCRIBE', { Expires: '^ *0 *$' }),
  reply(200, { headers: { Expires: '0' } }),
  ...notifies('terminated;reason=timeout'),
]
const mailbox = (fresh: number, old: number): string =>
  [`Messages-Waiting: ${fresh > 0 ? 'yes' : 'no'}`, `Voice-Message: ${fresh}/${old} (0/0)`].join('\n')

async function subscribed(
  scene: Scene,
  steps: readonly Step[],
  options: LadderOptions = {},
): Promise<{ sipp: Sipp; subscription: Subscription; states: SubscriptionState[] }> {
  const sipp = await Sipp.called(scene, steps, options)
  const phone = await startPhone(scene)
  const subscription = phone.subscribe(sipp.uri(), event)
  const states: SubscriptionState[] = []
  subscription.onState = (state) => states.push(state)
  return { sipp, subscription, states }
}

/** Messages that are new, and those that are not. */
const voice = ({ last }: Subscription): string | undefined =>
  last?.messages?.voice && `${last.messages.voice.new}/${last.messages.voice.old}`

row('message-summary', 'floe', 'SIPp tells of a mailbox that fills, and of the end', async (scene) => {
  const { sipp, subscription } = await subscribed(scene, [
    subscribes,
    granted,
    ...notifies('active;expires=60', mailbox(0, 3)),
    ...notifies('active;expires=50', mailbox(2, 3)),
    ...unsubscribes,
  ])
  await eventually(() => voice(subscription) === '2/3', { what: 'two messages wait' })
  expect(subscription.last?.messages?.waiting).toBe(true)
  await subscription.stop()
  expect(subscription.state.state).toBe('terminated')
  await sipp.finished()
})

row('message-summary', 'floe', 'the first NOTIFY overtakes the answer to SUBSCRIBE', async (scene) => {
  const { sipp, subscription, states } = await subscribed(scene, [
    subscribes,
    ...notifies('active;expires=60', mailbox(1, 0)),
    granted,
    ...notifies('active;expires=60', mailbox(1, 1)),
    ...unsubscribes,
  ])
  await eventually(() => voice(subscription) === '1/1', { what: 'the second notification' })
  expect(states.map(({ state }) => state)).toEqual(['active'])
  await subscription.stop()
  await sipp.finished()
})

row('message-summary', 'floe', 'it is pending until somebody allows it', async (scene) => {
  const { sipp, subscription, states } = await subscribed(scene, [
    subscribes,
    granted,
    ...notifies('pending;expires=60'),
    ...notifies('active;expires=60', mailbox(4, 0)),
    ...unsubscribes,
  ])
  await eventually(() => voice(subscription) === '4/0', { what: 'the mailbox' })
  expect(states.map(({ state }) => state)).toEqual(['pending', 'active'])
  await subscription.stop()
  await sipp.finished()
})

row('message-summary', 'floe', 'SIPp ends it for good: there is no such mailbox', async (scene) => {
  const { sipp, subscription } = await subscribed(scene, [
    subscribes,
    granted,
    ...notifies('active;expires=60', mailbox(1, 0)),
    ...notifies('terminated;reason=noresource'),
  ])
  await sipp.finished()
  await eventually(() => subscription.state.state === 'terminated', { what: 'the end' })
  expect(subscription.state).toEqual({ state: 'terminated', reason: 'noresource' })
})

row('message-summary', 'floe', 'SIPp ends it to have it begun anew, with its state', async (scene) => {
  const ladder = [
    subscribes,
    granted,
    ...notifies('active;expires=60', mailbox(1, 0)),
    ...notifies('terminated;reason=deactivated'),
  ]
  const { sipp, states } = await subscribed(scene, ladder, { calls: 2 })
  await sipp.finished()
  await eventually(() => states.filter(({ state }) => state === 'terminated').length === 2, {
    what: 'the second end',
  })
  expect(states.slice(0, 4)).toMatchObject([
    { state: 'active' },
    { state: 'terminated', reason: 'deactivated' },
    { state: 'subscribing' },
    { state: 'active' },
  ])
})

row('message-summary', 'floe', 'SIPp finds the time too short, and floe asks for more', async (scene) => {
  const { sipp, subscription } = await subscribed(scene, [
    subscribes,
    reply(423, { headers: { 'Min-Expires': '7200' } }),
    receive('SUBSCRIBE', { Expires: '^ *7200 *$' }),
    reply(200, { headers: { Expires: '7200' } }),
    ...notifies('active;expires=7200', mailbox(0, 0)),
    ...unsubscribes,
  ])
  await eventually(() => voice(subscription) === '0/0', { what: 'the mailbox' })
  await subscription.stop()
  await sipp.finished()
})

sideBySide({ peer: 'SIPp', heading: 'SIPp: events', needs: ['sipp'], start: async () => undefined, rows })
