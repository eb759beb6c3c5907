// A simulated world for whole phones: virtual time drives floe and sip.js alike, files live in memory.
import { readFileSync } from 'node:fs'
import { expect, onTestFinished } from 'vitest'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { Phone } from '../../../src/phone/phone.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'

const files = ['hello-8k.wav', 'hello-16k.wav', 'reply-8k.wav']

/** A simulation whose clock is also the global one, until the end of the test. */
export function world(seed = 1): Simulation {
  const simulation = simulate(seed)
  onTestFinished(simulation.clock.installGlobals())
  return simulation
}

/** Puts floe's sound files onto a host. */
export function withMedia(host: VirtualHost): VirtualHost {
  for (const name of files) host.files.put(name, readFileSync(`media/${name}`))
  return host
}

/** A phone on a host that listens at port 5060, UDP and TCP, and needs no server. G.711, which costs nothing, where the codec does
 *  not matter. */
export function phoneOn(host: VirtualHost, options: PhoneOptions = {}): Promise<Phone> {
  const { address } = host.interfaces().find((i) => !i.loopback)!
  return Phone.start({
    runtime: withMedia(host),
    codecs: ['PCMU', 'PCMA'],
    listen: [
      { protocol: 'udp', address, port: 5060 },
      { protocol: 'tcp', address, port: 5060 },
    ],
    ...options,
  })
}

/** Nothing may be left when the phones have stopped. */
export async function expectNothingLeft(simulation: Simulation): Promise<void> {
  // Transactions live for at most 64 T1 (RFC 3261 17).
  await simulation.clock.advance(40_000)
  expect(simulation.open).toEqual([])
  expect(simulation.clock.pendingTimers).toBe(0)
}
