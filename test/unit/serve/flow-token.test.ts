// Flow tokens come back as they were made, or not at all.
import { expect, test } from 'vitest'
import { FlowTokens } from '../../../src/serve/flow-token.ts'
import { parseUri } from '../../../src/sip/uri.ts'
import { seededRandom } from '../ice/network.ts'

const ours = 'udp 203.0.113.10:5060'
const phones = [
  { address: '198.51.100.7', port: 40_001 },
  { address: '2001:db8::7', port: 1 },
]

test('a token is a user part of a URI and names the address it was made for', () => {
  const tokens = new FlowTokens(seededRandom(1))
  for (const remote of phones) {
    const token = tokens.seal(remote, ours)
    expect(parseUri(`sip:${token}@203.0.113.10;lr`)).toMatchObject({ user: token })
    expect(tokens.open(token, ours)).toEqual(remote)
  }
})

test('beside another end of ours, of another process, or with any bit changed it is worth nothing', () => {
  const tokens = new FlowTokens(seededRandom(1))
  for (const remote of phones) {
    const token = tokens.seal(remote, ours)
    expect(tokens.open(token, 'tcp 203.0.113.10:5060')).toBeUndefined()
    expect(new FlowTokens(seededRandom(2)).open(token, ours)).toBeUndefined()
    const bytes = Buffer.from(token, 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(tokens.open(changed.toString('base64url'), ours)).toBeUndefined()
    }
    for (let length = 0; length < bytes.length; length++)
      expect(tokens.open(bytes.toString('base64url', 0, length), ours)).toBeUndefined()
  }
})
