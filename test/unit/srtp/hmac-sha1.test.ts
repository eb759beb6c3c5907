import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { HmacSha1 } from '../../../src/srtp/hmac-sha1.ts'

const none = new Uint8Array(0)
const octets = (length: number, of: (i: number) => number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => of(i))
const tag = (key: Uint8Array, data: Uint8Array, trailer: Uint8Array = none): string =>
  Buffer.from(new HmacSha1(key).of(data, data.length, trailer)).toString('hex')

describe('HMAC-SHA1', () => {
  // RFC 2202 3, those whose key fits into a block.
  it.each([
    [octets(20, () => 0x0b), Buffer.from('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
    [
      Buffer.from('Jefe'),
      Buffer.from('what do ya want for nothing?'),
      'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
    ],
    [octets(20, () => 0xaa), octets(50, () => 0xdd), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
    [octets(25, (i) => i + 1), octets(50, () => 0xcd), '4c9007f4026250c6bc8414f9bf50c86c2d7235da'],
    [octets(20, () => 0x0c), Buffer.from('Test With Truncation'), '4c1a03424b55e07fe7f27be1d58bb9324a9a5a04'],
  ])('gives the digest of RFC 2202 (%#)', (key, data, digest) => {
    expect(tag(key, data)).toBe(digest)
  })

  it('is what node:crypto computes, whatever the lengths of message and trailer', () => {
    for (let length = 0; length < 200; length++) {
      const key = octets(20, (i) => i * 7 + length)
      const data = octets(length, (i) => i * 31 + 3)
      const trailer = octets(length % 65, (i) => i * 5)
      const expected = createHmac('sha1', key).update(data).update(trailer).digest('hex')
      expect(tag(key, data, trailer), `${length} octets`).toBe(expected)
    }
  })

  it('takes one message after another, and leaves what is behind their length', () => {
    const mac = new HmacSha1(octets(20, (i) => i))
    const first = Buffer.from(
      mac.of(
        octets(172, (i) => i),
        100,
        none,
      ),
    ).toString('hex')
    mac.of(
      octets(1_000, () => 0xff),
      1_000,
      octets(4, () => 1),
    )
    expect(
      Buffer.from(
        mac.of(
          octets(100, (i) => i),
          100,
          none,
        ),
      ).toString('hex'),
    ).toBe(first)
  })
})
