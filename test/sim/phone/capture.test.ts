// The capture file of a phone in a whole call: what was said on the wire, and media that SRTP hides beside it.
import { expect, it } from 'vitest'
import { phoneOn, world } from './world.ts'

/** The packets of a capture file: the interface, and the octets behind IP and UDP. */
function packets(all: Buffer): { on: number; payload: Buffer }[] {
  const found: { on: number; payload: Buffer }[] = []
  for (let at = 0; at < all.length; at += all.readUInt32LE(at + 4)) {
    if (all.readUInt32LE(at) !== 6) continue
    const packet = all.subarray(at + 28, at + 28 + all.readUInt32LE(at + 20))
    found.push({ on: all.readUInt32LE(at + 8), payload: packet.subarray(packet[9] === 17 ? 28 : 40) })
  }
  return found
}

it('holds SIP, STUN, DTLS, encrypted media and the same in the clear', async () => {
  const simulation = world(3)
  const { clock, internet } = simulation
  const host = simulation.host('alice', internet.at('203.0.113.1'))
  await clock.run(
    (async () => {
      const alice = await phoneOn(host, {
        srtp: 'require',
        trace: 'call.pcapng',
        tls: { keyLogFile: 'keys.log' },
      })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')))
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'hello-8k.wav' })
      const answered = await incoming
      await answered.answer()
      await call.played
      await call.hangUp()
      await alice.stop()
      await bob.stop()
    })(),
  )
  const file = host.files.openForReading('call.pcapng')
  const bytes = Buffer.alloc(file.sizeBytes())
  file.read(bytes, 0)
  const all = packets(bytes)
  // The secrets of the handshake, and of nobody's who has not asked.
  expect(bytes.toString('latin1').match(/CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n/g)).toHaveLength(1)
  expect(host.files.readText('keys.log')).toMatch(/^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/)
  const onWire = all.filter(({ on }) => on === 0).map(({ payload }) => payload)
  const inTheClear = all.filter(({ on }) => on === 1).map(({ payload }) => payload)
  const count = (list: Buffer[], is: (payload: Buffer) => boolean) => list.filter(is).length
  expect(count(onWire, (p) => p.toString('latin1').startsWith('INVITE sip:bob'))).toBe(1)
  expect(count(onWire, (p) => p.toString('latin1').startsWith('SIP/2.0 200'))).toBeGreaterThan(1)
  expect(count(onWire, (p) => p[0]! < 4 && p.length >= 20)).toBeGreaterThan(2)
  expect(count(onWire, (p) => p[0]! >= 20 && p[0]! < 64 && p[1] === 0xfe)).toBeGreaterThan(3)
  const isRtp = (p: Buffer) => p[0]! >> 6 === 2 && (p[1]! & 0x7f) === 0
  const sealed = onWire.filter(isRtp)
  const clear = inTheClear.filter(isRtp)
  expect(clear.length).toBe(sealed.length)
  expect(clear.length).toBeGreaterThan(50)
  for (const [i, packet] of clear.entries()) {
    expect(sealed[i]!.subarray(0, 12)).toEqual(packet.subarray(0, 12))
    expect(packet.length).toBe(172)
  }
})
