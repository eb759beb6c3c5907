// Whole phones under fire: a stranger sends random and damaged datagrams to every open port of a call, SIP and media alike.
// Nothing may throw, the call must go on, and what each end hears must stay what the other plays.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { expectNothingLeft, phoneOn, world } from '../../sim/phone/world.ts'

const datagrams = Number(process.env['FUZZ_RUNS'] ?? 4_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 7)

/** Things that look like what the ports expect. */
function templates(ufrag: string): Uint8Array[] {
  const text = (lines: string[]): Uint8Array => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  const via = 'Via: SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bKabc'
  const dialog = [
    'From: <sip:m@203.0.113.66>;tag=1',
    'To: <sip:bob@203.0.113.2>',
    'Call-ID: x@y',
    'Max-Forwards: 70',
  ]
  const stun = Buffer.alloc(32)
  stun.writeUInt16BE(1, 0)
  stun.writeUInt16BE(12, 2)
  stun.writeUInt32BE(0x2112a442, 4)
  stun.writeUInt16BE(6, 20)
  stun.writeUInt16BE(8, 22)
  stun.write(ufrag.slice(0, 8), 24)
  const rtp = Buffer.alloc(172)
  rtp[0] = 0x80
  const rtcp = Buffer.from([0x80, 0xc8, 0, 6, ...Buffer.alloc(24)])
  return [
    text([
      'INVITE sip:bob@203.0.113.2 SIP/2.0',
      via,
      ...dialog,
      'CSeq: 1 INVITE',
      'Contact: <sip:m@203.0.113.66>',
    ]),
    text(['BYE sip:bob@203.0.113.2 SIP/2.0', via, ...dialog, 'CSeq: 2 BYE']),
    text(['SIP/2.0 200 OK', via, ...dialog, 'CSeq: 1 INVITE']),
    readFileSync('test/fixtures/sdp/asterisk22-1001.sdp'),
    stun,
    rtp,
    rtcp,
  ]
}

function damage(random: SeededRandom, template: Uint8Array): Uint8Array {
  const kind = random.integer(4)
  if (kind === 0) return random.bytes(random.integer(300))
  const bytes = Uint8Array.from(template)
  if (kind === 1) return bytes.subarray(0, random.integer(bytes.length + 1))
  for (let flips = 1 + random.integer(8); flips > 0 && bytes.length > 0; flips--)
    bytes[random.integer(bytes.length)] = random.integer(256)
  return bytes
}

test(`${datagrams} hostile datagrams do not disturb a call (FUZZ_SEED=${seed})`, {
  timeout: 3_600_000,
}, async () => {
  const simulation = world(seed)
  const { clock, internet } = simulation
  const random = new SeededRandom(seed)
  const alicesHost = simulation.host('alice', internet.at('203.0.113.1'))
  const bobsHost = simulation.host('bob', internet.at('203.0.113.2'))
  const stranger = simulation.host('stranger', internet.at('203.0.113.66'))
  await clock.run(
    (async () => {
      const alice = await phoneOn(alicesHost)
      const bob = await phoneOn(bobsHost)
      bob.onCall = (call) => call.reject(486)
      alice.onCall = (call) => call.reject(486)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'hello-8k.wav', loop: true })
      const answered = await incoming
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      await call.connected

      const socket = await stranger.openUdp({ address: '203.0.113.66', port: 5060 })
      const shapes = templates('abcdefgh')
      const targets = [alicesHost, bobsHost].flatMap(openUdpPorts)
      expect(targets.length).toBeGreaterThanOrEqual(4)
      for (let sent = 0; sent < datagrams; sent++) {
        const to = targets[random.integer(targets.length)]!
        socket.send(damage(random, shapes[random.integer(shapes.length)]!), to)
        if (sent % 10 === 9) await new Promise<void>((resolve) => clock.setTimer(20, resolve))
      }
      socket.close()
      expect(call.state).toBe('answered')
      await call.waitToHear('reply-8k.wav', 10_000)
      await answered.waitToHear('hello-8k.wav', 10_000)
      expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
      expect((await answered.ended).outcome).toMatchObject({ by: 'remote' })
      await alice.stop()
      await bob.stop()
    })(),
    24 * 3_600_000,
  )
  await expectNothingLeft(simulation)
})

/** Where a host can be hit: "udp 203.0.113.1:5060". */
function openUdpPorts(host: VirtualHost): { address: string; port: number }[] {
  return host.open.flatMap((what) => {
    const match = /^udp ([\d.]+):(\d+)/.exec(what)
    return match ? [{ address: match[1]!, port: Number(match[2]) }] : []
  })
}
