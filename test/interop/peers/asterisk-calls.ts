// Phones of floe's at an Asterisk, and the calls that it makes and connects.
import { expect } from 'vitest'
import type { Call, Phone, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import type { Asterisk, User } from './asterisk.ts'
import { expectBothHear, hearsFromNow, startPhone } from './phone.ts'

export const answerWithinMs = 20_000
/** What Asterisk plays to who is held. */
export const music = 'tone:2050'

/** Registered, as a user. */
export async function phoneOf(
  scene: Scene,
  asterisk: Asterisk,
  number: User,
  options: PhoneOptions = {},
): Promise<Phone> {
  const account = { account: `sip:${number}@${asterisk.address}`, password: `pw${number}` }
  const phone = await startPhone(scene, { ...account, ...options }, number)
  expect(await asterisk.hasContact(number)).toBe(true)
  return phone
}

/** Asterisk calls the user and connects it to an extension. */
export async function calledBy(
  asterisk: Asterisk,
  phone: Phone,
  number: User,
  extension: string,
): Promise<Call> {
  const incoming = phone.nextCall({ timeoutMs: answerWithinMs })
  await asterisk.originate(number, extension)
  const call = await incoming
  await call.answer()
  await call.answered
  return call
}

/** Two phones in a call through Asterisk, who hear each other. */
export async function pair(scene: Scene, asterisk: Asterisk, numbers: readonly [User, User]) {
  const [a, b] = [await phoneOf(scene, asterisk, numbers[0]), await phoneOf(scene, asterisk, numbers[1])]
  const incoming = b.nextCall({ timeoutMs: answerWithinMs })
  const caller = await a.call(asterisk.uri(numbers[1]))
  const called = await incoming
  await called.answer()
  await Promise.all([caller.answered, called.answered])
  await expectBothHear(caller, called)
  return { a, b, caller, called }
}

/** Each end holds and resumes: the other hears music, then both hear each other. */
export async function holdAndResume(
  scene: Scene,
  asterisk: Asterisk,
  numbers: readonly [User, User],
): Promise<void> {
  const { caller, called } = await pair(scene, asterisk, numbers)
  await caller.hold()
  await hearsFromNow(called, music)
  await caller.resume()
  await expectBothHear(caller, called)
  await called.hold()
  await hearsFromNow(caller, music)
  await called.resume()
  await expectBothHear(caller, called)
  await caller.hangUp()
  await called.ended
}
