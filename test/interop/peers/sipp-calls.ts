// Calls between floe and a SIPp on a ladder, in both roles, and the rungs that most of them have.
import type { Call, DialOptions, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import type { Row } from '../side-by-side.ts'
import { addressOf, startPhone } from './phone.ts'
import { Sipp } from './sipp.ts'
import {
  ack,
  type Body,
  perhapsReplied,
  receive,
  replied,
  reply,
  request,
  type Step,
  sdp,
} from './sipp-scenario.ts'

/** SIPp calls floe, which answers. @param limits how long SIPp waits, where it is to wait long */
export async function called(
  scene: Scene,
  steps: readonly Step[],
  options: PhoneOptions = {},
  limits: { waitMs?: number } = {},
): Promise<{ call: Call; sipp: Sipp }> {
  const phone = await startPhone(scene, options)
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  const sipp = await Sipp.calls(scene, addressOf(phone), steps, limits)
  const call = await incoming
  await call.answer()
  return { call, sipp }
}

/** floe calls SIPp; the same. */
export async function calling(
  scene: Scene,
  steps: readonly Step[],
  options: DialOptions & { phone?: PhoneOptions } = {},
  limits: { waitMs?: number } = {},
): Promise<{ call: Call; sipp: Sipp }> {
  const sipp = await Sipp.called(scene, steps, limits)
  const phone = await startPhone(scene, options.phone)
  return { call: await phone.call(sipp.uri(), options), sipp }
}

export const rings = [receive('INVITE', { body: 'm=audio' }), reply(180)]
/** With what it says of itself. */
export const takes = (body: Body): readonly Step[] => [...rings, reply(200, { body }), receive('ACK')]
export const dialsWith = (body: Body): readonly Step[] => [
  request('INVITE', { body }),
  perhapsReplied(180),
  replied(200, { body: 'm=audio' }),
  ack(),
]
export const answers = takes(sdp())
export const dials = dialsWith(sdp())
export const reinvites = (body = sdp(), match = {}) => [
  request('INVITE', { body }),
  replied(200, match),
  ack(),
]

/** How many requests of the method have come in the call. */
export function requestsOf(call: Call, method: string): number {
  return call.trace.facts.filter(
    (fact) =>
      fact.layer === 'sip' &&
      fact.type === 'message' &&
      fact.direction === 'received' &&
      fact.method === method &&
      fact.status === undefined,
  ).length
}

/** Rows of a table, as a file writes them one after the other. */
export function listOfRows() {
  const rows: Row<void>[] = []
  const row = (
    feature: string,
    by: Row<void>['by'],
    name: string,
    run: (scene: Scene) => Promise<void>,
    timeoutMs?: number,
  ) => void rows.push({ feature, by, name, run, ...(timeoutMs !== undefined && { timeoutMs }) })
  return { rows, row }
}
