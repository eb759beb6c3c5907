// Published vectors: RFC 3711 B.2 and B.3, RFC 6188 7, RFC 7714 16 and 17, and the reference packet of libsrtp's own driver.
import { createCipheriv, createSecretKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { SrtpReceiver, SrtpSender } from '../../../src/srtp/context.ts'
import { CounterTransform } from '../../../src/srtp/counter-transform.ts'
import { GcmTransform } from '../../../src/srtp/gcm-transform.ts'
import { deriveSessionKeys, type SessionKeys } from '../../../src/srtp/key-derivation.ts'
import { type MasterKey, suiteByName } from '../../../src/srtp/suite.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replace(/\s/g, ''), 'hex')
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex')
const sessionKeys = (cipher: Uint8Array, salt: Uint8Array): SessionKeys => ({
  cipher: createSecretKey(cipher),
  authentication: Buffer.alloc(20),
  salt,
})
const none = new Uint8Array(0)

it.each([
  [
    'RFC 3711 B.2',
    16,
    '2B7E151628AED2A6ABF7158809CF4F3C',
    'E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0',
  ],
  [
    'RFC 6188 7.1',
    32,
    '57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98',
    '92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31',
  ],
] as const)('%s: the key stream in counter mode', (_, keyBytes, key, stream) => {
  const transform = new CounterTransform(
    sessionKeys(bytes(key), bytes('F0F1F2F3F4F5F6F7F8F9FAFBFCFD')),
    keyBytes,
    10,
    'rtp',
  )
  const out = new Uint8Array(64)
  transform.seal(new Uint8Array(48), 0, 0, 0, none, out)
  expect(hex(out.subarray(0, 48))).toBe(hex(bytes(stream)))
})

describe.each([
  {
    of: 'RFC 3711 B.3',
    suite: 'AES_CM_128_HMAC_SHA1_80',
    key: 'E1F97A0D3E018BE0D64FA32C06DE4139',
    salt: '0EC675AD498AFEEBB6960B3AABE6',
    cipher: 'C61E7A93744F39EE10734AFE3FF7A087',
    sessionSalt: '30CBBC08863D8C85D49DB34A9AE1',
    authentication: 'CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4',
  },
  {
    of: 'RFC 6188 7.2',
    suite: 'AES_256_CM_HMAC_SHA1_80',
    key: 'f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6',
    salt: '3b04803de51ee7c96423ab5b78d2',
    cipher: '5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4',
    sessionSalt: 'fa31791685ca444a9e07c6c64e93',
    authentication: 'fd9c32d39ed5fbb5a9dc96b30818454d1313dc05',
  },
])('$of: key derivation', ({ suite, key, salt, cipher, sessionSalt, authentication }) => {
  it('gives cipher key, salt and authentication key', () => {
    const keys = deriveSessionKeys({ suite: suiteByName(suite)!, key: bytes(key), salt: bytes(salt) }, 'rtp')
    expect(hex(keys.salt)).toBe(hex(bytes(sessionSalt)))
    expect(keys.cipher.equals(createSecretKey(bytes(cipher)))).toBe(true)
    expect(Buffer.from(keys.authentication)).toEqual(bytes(authentication))
  })
})

it('protects the reference packet of libsrtp as libsrtp does', () => {
  const master: MasterKey = {
    suite: suiteByName('AES_CM_128_HMAC_SHA1_80')!,
    key: bytes('e1f97a0d3e018be0d64fa32c06de4139'),
    salt: bytes('0ec675ad498afeebb6960b3aabe6'),
  }
  const plain = bytes(`800f1234decafbadcafebabe${'ab'.repeat(16)}`)
  const sealed = '800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb'
  expect(hex(new SrtpSender(master).protectRtp(plain)!)).toBe(sealed)
  expect(hex(new SrtpReceiver(master).unprotectRtp(bytes(sealed)) as Uint8Array)).toBe(hex(plain))
})

const folder = new URL('../../../../shared/vectors/rfc7714/', import.meta.url)
const present = existsSync(folder)
if (!present) console.log('skipped: RFC 7714 vectors are not at ../shared/vectors/rfc7714')

/** The lines of hex digits that follow a heading. */
function after(text: string, heading: RegExp): Buffer {
  const rest = text.slice(heading.exec(text)!.index).replace(heading, '')
  const lines: string[] = []
  for (const line of rest.split('\n')) {
    if (/^\s*([0-9a-f]{2,8}\s*)+$/.test(line)) lines.push(line)
    else if (lines.length > 0) break
  }
  return bytes(lines.join(''))
}

describe.skipIf(!present)('RFC 7714', () => {
  const rtp = readFileSync(new URL('rtp-vectors.txt', folder), 'latin1')
  const rtcp = readFileSync(new URL('rtcp-vectors.txt', folder), 'latin1')
  const salt = bytes('517569642070726f2071756f')
  const key = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i))

  it.each([
    ['16.1', 16, '16.1.1'],
    ['16.2', 32, '16.2.1'],
  ] as const)('%s: an RTP packet', (_, keyBytes, section) => {
    const part = rtp.slice(rtp.indexOf(`${section}.  `))
    const plain = after(part, /Encrypting the following packet:/)
    const sealed = after(part, /Encrypted and Tagged packet:|Cipher-?text, with tag|SRTP packet/i)
    const transform = new GcmTransform(sessionKeys(key(keyBytes), salt), keyBytes, 'rtp')
    const out = new Uint8Array(100)
    const index = plain.readUInt16BE(2)
    const length = transform.seal(plain, 12, plain.readUInt32BE(8), index, none, out)
    expect(hex(out.subarray(0, length))).toBe(hex(sealed))
    const clear = new Uint8Array(100)
    const opened = transform.open(sealed, 12, plain.readUInt32BE(8), index, none, true, clear)
    expect(hex(clear.subarray(0, opened))).toBe(hex(plain))
  })

  it('17.1: an RTCP packet, encrypted and tagged', () => {
    const part = rtcp.slice(rtcp.indexOf('17.1.  '))
    const plain = after(part, /Encrypting the following packet:/)
    const transform = new GcmTransform(sessionKeys(key(16), salt), 16, 'rtcp')
    const out = new Uint8Array(100)
    const length = transform.seal(plain, 8, plain.readUInt32BE(4), 0x5d4, bytes('800005d4'), out)
    const sealed = hex(after(part, /Encrypted and tagged packet:/))
    expect(`${hex(out.subarray(0, length))}800005d4`).toBe(sealed)
  })

  it.each([
    ['17.2', 32, /Decrypting the following packet:/, /Verified and decrypted packet:/],
    ['17.4', 32, /Verifying the following packet:/, /Verified packet:/],
  ] as const)('%s: an RTCP packet, verified', (section, keyBytes, from, to) => {
    const part = rtcp.slice(rtcp.indexOf(`${section}.  `))
    const sealed = after(part, from)
    const word = sealed.subarray(-4)
    const transform = new GcmTransform(sessionKeys(key(keyBytes), salt), keyBytes, 'rtcp')
    const encrypted = word[0]! >= 0x80
    const index = word.readUInt32BE() & 0x7fff_ffff
    const clear = new Uint8Array(100)
    const packet = sealed.subarray(0, -4)
    const opened = transform.open(packet, 8, sealed.readUInt32BE(4), index, word, encrypted, clear)
    expect(opened).toBeDefined()
    expect(hex(clear.subarray(0, opened))).toBe(hex(after(part, to)))
  })
})

it('counts the blocks of a long packet as counter mode does', () => {
  const key = bytes('2B7E151628AED2A6ABF7158809CF4F3C')
  const stream = createCipheriv('aes-128-ctr', key, bytes('F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000')).update(
    Buffer.alloc(1_000),
  )
  const out = new Uint8Array(1_100)
  new CounterTransform(sessionKeys(key, bytes('F0F1F2F3F4F5F6F7F8F9FAFBFCFD')), 16, 10, 'rtp').seal(
    new Uint8Array(1_000),
    0,
    0,
    0,
    none,
    out,
  )
  expect(hex(out.subarray(0, 1_000))).toBe(hex(stream))
})
