// SRTP and SRTCP packets of every suite, mutated: nothing leaves as an exception, nothing that was changed is taken for true, and the
// true ones still are. FUZZ_RUNS=1000000 for the long run; a failure names its seed.
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../../src/sim/random.ts'
import { SrtpReceiver, SrtpSender } from '../../../src/srtp/context.ts'
import { srtpSuites } from '../../../src/srtp/suite.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 6_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_128)

function mutated(random: SeededRandom, packet: Uint8Array): Uint8Array {
  const data = Uint8Array.from(packet)
  const at = random.integer(data.length)
  switch (random.integer(5)) {
    case 0:
      data[at]! ^= 1 << random.integer(8)
      return data
    case 1:
      return data.subarray(0, at)
    case 2:
      return Buffer.concat([data, random.bytes(1 + random.integer(20))])
    case 3:
      return Buffer.concat([data.subarray(0, at), random.bytes(1), data.subarray(at)])
    default:
      return random.bytes(random.integer(200))
  }
}

describe.each(srtpSuites.map((suite) => [suite.name, suite] as const))('%s', (name, suite) => {
  it(`takes what is true and nothing else (${Math.ceil(runs / srtpSuites.length)} packets)`, () => {
    const random = new SeededRandom(seed).fork(name)
    try {
      const mki = random.chance(0.5) ? random.bytes(1 + random.integer(8)) : undefined
      const master = {
        suite,
        key: random.bytes(suite.keyBytes),
        salt: random.bytes(suite.saltBytes),
        ...(mki && { mki }),
      }
      const [sender, receiver] = [new SrtpSender(master), new SrtpReceiver(master)]
      let sequence = random.integer(65_536)
      for (let n = 0; n < runs / srtpSuites.length; n++) {
        const isRtcp = random.chance(0.2)
        const packet = Buffer.from(random.bytes(12 + random.integer(200)))
        packet.writeUInt32BE(5, isRtcp ? 4 : 8)
        if (!isRtcp) {
          packet[0] = 0x80
          packet.writeUInt16BE(sequence++ & 0xffff, 2)
        }
        const sealed = Buffer.from(isRtcp ? sender.protectRtcp(packet)! : sender.protectRtp(packet)!)
        const open = (data: Uint8Array) =>
          isRtcp ? receiver.unprotectRtcp(data) : receiver.unprotectRtp(data)
        const changed = mutated(random, sealed)
        // A tag of 32 bits is guessed once in so many: not in these runs.
        if (!sealed.equals(changed)) expect(typeof open(changed)).toBe('string')
        const clear = open(sealed)
        expect(typeof clear === 'string' ? clear : Buffer.from(clear)).toEqual(packet)
      }
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed}: ${error instanceof Error ? error.stack : error}`)
    }
  }, 3_600_000)
})
