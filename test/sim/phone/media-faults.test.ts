// Media that is not as it should be, in whole calls in virtual time: flipped bits, packets again, too large and too small ones, a
// sender that begins anew, half a minute of nothing, a disk that is full. The call goes on, each end hears the other when it can,
// and what was wrong is counted.
import { expect, test } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import type { Files, Runtime } from '../../../src/runtime/runtime.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { hearsNow } from './far-end.ts'
import { changed, type Mangle, mangledCall } from './mangled-call.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

const plain: PhoneOptions = { ice: 'off' }
const sdes: PhoneOptions = { srtp: 'require', srtpKeying: 'sdes' }
const dtls: PhoneOptions = { srtp: 'require' }

test.each([
  ['keys in the SDP', sdes],
  ['keys by DTLS', dtls],
])('SRTP with flipped bits is refused packet by packet: %s', async (_, options) => {
  const random = new SeededRandom(1)
  let flipped = 0
  const flip: Mangle = (packet) => {
    if (!random.chance(0.1)) return [packet]
    const copy = packet.slice()
    // Not in the first two octets: those tell what it is.
    const bit = 16 + random.integer(8 * (copy.length - 2))
    copy[bit >> 3]! ^= 1 << (bit & 7)
    flipped++
    return [copy]
  }
  const { theirs } = await mangledCall({ mangle: flip, options }, ({ audio, wait }) =>
    wait(20_000).then(audio),
  )
  expect(flipped).toBeGreaterThan(50)
  const refused = theirs.warnings.find((warning) => /encrypted packets refused: authentication/.test(warning))
  expect(Number.parseInt(refused!, 10)).toBe(flipped)
  expect(theirs.statistics?.received.lost).toBeGreaterThan(flipped * 0.9)
  expect(theirs.statistics?.quality?.mosListening).toBeLessThan(4)
})

test.each([
  ['in the clear', plain],
  ['encrypted', sdes],
])('packets again, at once and a second later, are heard once: %s', async (_, options) => {
  const kept: Uint8Array[] = []
  const again: Mangle = (packet) => {
    kept.push(packet.slice())
    return [packet, packet, ...(kept.length > 50 ? [kept[kept.length - 51]!] : [])]
  }
  const { theirs } = await mangledCall({ mangle: again, options }, ({ audio, wait }) =>
    wait(10_000).then(audio),
  )
  const { received, quality } = theirs.statistics!
  expect(received.lost).toBe(0)
  expect(quality).toMatchObject({ discardPercent: 0, mosListening: 4.41 })
  const sent = kept.length
  if (options === plain) expect(received.duplicates).toBeGreaterThan(1.8 * sent)
  else expect(theirs.warnings.join()).toMatch(/\d{3,} encrypted packets refused: replay/)
})

test.each([
  ['in the clear', plain],
  ['encrypted', dtls],
])('packets too small and too large harm nobody: %s', async (_, options) => {
  const sizes = [0, 1, 2, 11, 12, 13, 14, 100, 1_500, 9_000, 60_000]
  let count = 0
  const strange: Mangle = (packet) => {
    const size = sizes[count++ % sizes.length]!
    const other = new Uint8Array(size)
    other.set(packet.subarray(0, Math.min(size, packet.length)))
    // As one of the same stream, or a stranger's, or with more header than there is.
    if (size > 12 && count % 3 === 0) other[8]! ^= 0xff
    if (size > 12 && count % 5 === 0) other[0] = 0xbf
    return [other, packet]
  }
  const { theirs } = await mangledCall({ mangle: strange, options }, ({ audio, wait }) =>
    wait(10_000).then(audio),
  )
  const { dropped, received } = theirs.statistics!
  if (options === plain) expect(Object.values(dropped).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(100)
  else expect(theirs.warnings.join()).toMatch(/\d+ encrypted packets refused: authentication/)
  expect(received.lost).toBe(0)
})

test('a sender that begins anew, with another SSRC and other numbers, is followed', async () => {
  let count = 0
  let ssrc = 0
  const restarted: Mangle = (packet) => {
    if (++count < 200) return [packet]
    const copy = packet.slice()
    const view = new DataView(copy.buffer)
    view.setUint16(2, view.getUint16(2) + 30_000)
    view.setUint32(4, view.getUint32(4) + 1_000_000_000)
    ssrc = (view.getUint32(8) ^ 0x5555_5555) >>> 0
    view.setUint32(8, ssrc)
    return [copy]
  }
  const { theirs } = await mangledCall({ mangle: restarted, options: plain }, async ({ audio, wait }) => {
    await audio()
    await wait(3_000)
    await audio()
  })
  const { received, dropped } = theirs.statistics!
  expect(received.ssrc).toBe(ssrc)
  expect(received.lost).toBe(0)
  // Until the old one has been silent for 60 ms.
  expect(dropped).toEqual({ 'foreign SSRC': expect.any(Number) })
  expect(dropped['foreign SSRC']).toBeLessThan(10)
})

test.each([
  ['in the clear', plain],
  ['encrypted', dtls],
])('half a minute of nothing, and then sound again: %s', async (_, options) => {
  let open = true
  const { theirs } = await mangledCall(
    { mangle: (packet) => (open ? [packet] : []), options },
    async ({ audio, wait, call, answered }) => {
      await audio()
      open = false
      await wait(30_000)
      expect([hearsNow(call, 600), hearsNow(answered, 440)]).toEqual([true, false])
      open = true
      await audio()
    },
  )
  const { received, quality } = theirs.statistics!
  // Whose numbers went on meanwhile.
  expect(received.lost).toBeGreaterThan(1_400)
  expect(quality).toMatchObject({ bursts: 1 })
  expect(quality!.burstMs).toBeGreaterThan(28_000)
})

test('a disk that is full ends the recording with a sentence, and not the call', async () => {
  const simulation = world(10)
  const { clock, internet } = simulation
  const wait = (ms: number) => new Promise<void>((done) => clock.setTimer(ms, done))
  await clock.run(
    (async () => {
      const host = simulation.host('alice', internet.at('203.0.113.1'))
      const { network, random, files } = host as Runtime
      let room = 50_000
      const openForWriting: Files['openForWriting'] = (...words) => {
        const file = files.openForWriting(...words)
        const write: typeof file.write = (data, position) => {
          room -= data.length
          if (room < 0) throw new UsageError(`cannot write ${file.path}: the disk is full`)
          file.write(data, position)
        }
        return changed(file, { write })
      }
      const runtime = { clock, network, random, files: changed(files, { openForWriting }) }
      const alice = await phoneOn(host, { ...plain, runtime })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), plain)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', {
        play: 'tone:440',
        loop: true,
        record: 'heard.wav',
      })
      const answered = await incoming
      await answered.answer({ play: 'tone:600', loop: true })
      await wait(20_000)
      expect([hearsNow(call, 600), hearsNow(answered, 440)]).toEqual([true, true])
      const report = await call.hangUp()
      expect(report.verdict.ok).toBe(true)
      const told = report.warnings.filter((warning) => warning.includes('the disk is full'))
      expect(told).toEqual([
        'received audio is not written any more: cannot write heard.wav: the disk is full',
      ])
      // What had been written is a whole file.
      const header = new Uint8Array(12)
      files.openForReading('heard.wav').read(header, 0)
      expect(Buffer.from(header).toString('latin1')).toMatch(/^RIFF.{4}WAVE$/s)
      await Promise.all([alice.stop(), bob.stop()])
    })(),
  )
  await expectNothingLeft(simulation)
})
