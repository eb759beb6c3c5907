// floe as programs use it: a Phone in this process, whose facts are kept as a file of the row, and what it must hear.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Call, type DialOptions, type Fact, Phone, type PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { holdsTone } from '../sounds.ts'
import { eventually, peerHost } from './process.ts'

/** Without ICE unless asked for: most of these peers have none, and candidates are proved elsewhere. */
export async function startPhone(scene: Scene, options: PhoneOptions = {}, name = 'floe'): Promise<Phone> {
  const facts: Fact[] = []
  const path = join(scene.folder, `${name}.ndjson`)
  scene.log(path)
  scene.onEnd(() => writeFileSync(path, facts.map((fact) => `${JSON.stringify(fact)}\n`).join('')))
  const phone = await Phone.start({
    ice: 'off',
    listen: [
      { protocol: 'udp', address: peerHost, port: 0 },
      { protocol: 'tcp', address: peerHost, port: 0 },
    ],
    ...options,
  })
  phone.onFact = (fact) => facts.push(fact)
  scene.onEnd(() => phone.stop())
  return phone
}

/** host:port where it can be called over UDP. */
export function addressOf(phone: Phone): string {
  const { address, port } = phone.addresses.find(({ protocol }) => protocol === 'udp')!
  return `${address}:${port}`
}

/** `to` answers what `from` dials. */
export async function connect(
  from: Phone,
  to: Phone,
  uri: string,
  options: DialOptions = {},
): Promise<[caller: Call, called: Call]> {
  const incoming = to.nextCall({ timeoutMs: 30_000 })
  const caller = await from.call(uri, options)
  const called = await incoming
  await called.answer()
  await Promise.all([caller.answered, called.answered])
  return [caller, called]
}

const hearWithinMs = 20_000

const tonesHz = [440, 620, 850, 1150, 1400, 1750]
let lastTone = 0
const nextTone = () => `tone:${tonesHz[lastTone++ % tonesHz.length]}`

/** Both directions at a peer that sends audio back: what is played from now on is heard. */
export async function expectEcho(call: Call): Promise<void> {
  await expectHeardBy(call, call)
}

/** Both directions between two phones of floe's. */
export async function expectBothHear(a: Call, b: Call): Promise<void> {
  await Promise.all([expectHeardBy(a, b), expectHeardBy(b, a)])
}

/** A tone that `from` has not played yet is heard by `by`. */
async function expectHeardBy(from: Call, by: Call): Promise<void> {
  const tone = nextTone()
  from.play(tone, { loop: true }).catch(() => undefined) // it ends with the call
  await hearsFromNow(by, tone)
}

/** Only what comes from now on counts. @param tone "tone:440" */
export async function hearsFromNow(call: Call, tone: string): Promise<void> {
  const start = call.heardSamples().samples.length
  await eventually(
    () => {
      if (call.state === 'ended') throw new Error(`the call ended before ${tone} was heard`)
      const { samples, sampleRateHz } = call.heardSamples()
      return holdsTone({ samples: samples.subarray(start), sampleRateHz }, tone)
    },
    { what: `${tone} is heard`, withinMs: hearWithinMs, everyMs: 200 },
  )
}
