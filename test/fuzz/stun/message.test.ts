// Random, truncated and mutated datagrams: decoding and every reader give a value or undefined and never throw.
// FUZZ_RUNS sets the number of datagrams, FUZZ_SEED the seed; a failure names its seed.
import { describe, expect, it } from 'vitest'
import {
  readAddress,
  readErrorCode,
  readMappedAddress,
  readText,
  readUint32,
  readUint64,
  readUnknownAttributes,
  unknownRequiredAttributes,
} from '../../../src/stun/attributes.ts'
import { answerBinding } from '../../../src/stun/binding-responder.ts'
import { integrityMatches, integritySha256Matches, shortTermKey } from '../../../src/stun/integrity.ts'
import { decode, isStun, MessageWriter } from '../../../src/stun/message.ts'
import { attribute } from '../../../src/stun/numbers.ts'
import { seededRandom } from '../../unit/ice/network.ts'
import { mutate, randomDatagram } from './mutate.ts'

const runs = Number(process.env.FUZZ_RUNS ?? 30_000)
const seed = Number(process.env.FUZZ_SEED ?? 20_261_124)
const key = shortTermKey('fuzz')

function readAll(bytes: Uint8Array): void {
  isStun(bytes)
  answerBinding(bytes, { address: '192.0.2.1', port: 1 })
  const message = decode(bytes)
  if (typeof message === 'string') return
  for (const type of Object.values(attribute)) {
    readText(message, type)
    readUint32(message, type)
    readUint64(message, type)
    readAddress(message, type)
  }
  readMappedAddress(message)
  readErrorCode(message)
  readUnknownAttributes(message)
  unknownRequiredAttributes(message)
  integrityMatches(message, key)
  integritySha256Matches(message, key)
}

describe('STUN input', () => {
  it(`never throws, ${runs} datagrams, seed ${seed}`, { timeout: 30_000 + runs }, () => {
    const random = seededRandom(seed)
    const good = [
      new MessageWriter('request', 1, random.bytes(12)).fingerprint().finish(),
      new MessageWriter('request', 1, random.bytes(12))
        .text(attribute.username, 'abcd:efgh')
        .uint32(attribute.priority, 4_711)
        .uint64(attribute.iceControlling, 4_711n)
        .octets(attribute.useCandidate)
        .integrity(key)
        .integritySha256(key)
        .finish(),
      new MessageWriter('success', 1, random.bytes(12))
        .xorAddress(attribute.xorMappedAddress, { address: '2001:db8::1', port: 4_711 })
        .address(attribute.mappedAddress, { address: '192.0.2.1', port: 4_711 })
        .integrity(key)
        .finish(),
      new MessageWriter('error', 1, random.bytes(12))
        .errorCode(420, 'no')
        .unknownAttributes([1, 2, 3])
        .finish(),
    ]
    for (let run = 0; run < runs; run++) {
      const bytes = run % 4 === 0 ? randomDatagram(random) : mutate(good[run % good.length]!, random)
      try {
        readAll(bytes)
      } catch (error) {
        expect.fail(`seed ${seed}, run ${run}, ${Buffer.from(bytes).toString('hex')}: ${String(error)}`)
      }
    }
  })
})
