import { createCipheriv, createSecretKey } from 'node:crypto'
import { expect, it } from 'vitest'
import { CounterTransform } from '../../../src/srtp/counter-transform.ts'

const key = Buffer.from('2B7E151628AED2A6ABF7158809CF4F3C', 'hex')
const salt = Buffer.from('F0F1F2F3F4F5F6F7F8F9FAFBFCFD', 'hex')
const headerBytes = 12

/** RFC 3711 4.1.1, by node's own counter mode. */
function encrypted(body: Uint8Array, ssrc: number, index: number): string {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(ssrc, 4)
  iv.writeUIntBE(index, 8, 6)
  for (const [i, octet] of salt.entries()) iv[i]! ^= octet
  return createCipheriv('aes-128-ctr', key, iv).update(body).toString('hex')
}

it.each(['rtp', 'rtcp'] as const)(
  'gives each packet of %s the key stream of its source and index, whatever came before',
  (of) => {
    const keys = { cipher: createSecretKey(key), authentication: new Uint8Array(20), salt }
    const transform = new CounterTransform(keys, 16, 10, of)
    const seal = (ssrc: number, index: number, length: number): void => {
      const packet = Uint8Array.from({ length: headerBytes + length }, (_, i) => i * 7 + index)
      const out = new Uint8Array(2_000)
      transform.seal(packet, headerBytes, ssrc, index, new Uint8Array(4), out)
      const body = Buffer.from(out.subarray(headerBytes, headerBytes + length)).toString('hex')
      expect(body, `${length} octets of ${ssrc}, ${index}`).toBe(
        encrypted(packet.subarray(headerBytes), ssrc, index),
      )
    }
    // In order, over the end of a round, and longer and shorter ones between.
    for (let i = 0; i < 40; i++) seal(0xcafebabe, 65_520 + i, 160)
    for (let i = 0; i < 40; i++) seal(0xcafebabe, 0x1_2345_0000 + i, (i * 37) % 400)
    // Late ones, lost ones, and another source.
    for (const index of [100, 99, 104, 101, 107, 108, 92, 300]) seal(1, index, 160)
    for (let i = 0; i < 20; i++) seal(1 + (i % 2), 400 + i, 20)
  },
)
