// STUN and TURN servers as users write them (RFC 7064, RFC 7065), and time-limited credentials.
import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { type IceServer, parseIceServers, resolveIceServers } from '../../../src/turn/ice-servers.ts'

const parse = (...servers: IceServer[]) => parseIceServers(servers)
const alice = { username: 'alice', password: 'wonder' }

describe('a server as one writes it', () => {
  it.each<[string, object]>([
    ['stun.example', { kind: 'stun', host: 'stun.example', port: 3478 }],
    ['stun:stun.example:19302', { kind: 'stun', host: 'stun.example', port: 19_302 }],
    ['stun:[2001:DB8::1]', { kind: 'stun', host: '2001:db8::1', port: 3478 }],
    [
      'turn:alice:wonder@turn.example',
      { kind: 'turn', host: 'turn.example', port: 3478, transport: 'udp', ...alice },
    ],
    ['TURN:alice:wonder@turn.example?transport=TCP', { port: 3478, transport: 'tcp', ...alice }],
    ['turns:alice:wonder@turn.example', { port: 5349, transport: 'tls', ...alice }],
    ['turns:alice:wonder@turn.example:443?transport=tcp', { port: 443, transport: 'tls', ...alice }],
    [
      'turn:a%40b:p%3A%2Fq@[2001:db8::1]:80',
      { host: '2001:db8::1', port: 80, username: 'a@b', password: 'p:/q' },
    ],
    ['turn:alice:a@b:c@turn.example', { host: 'turn.example', username: 'alice', password: 'a@b:c' }],
  ])('%s', (uri, expected) => {
    expect(parse(uri)).toMatchObject([expected])
  })

  it('as browsers write it, and what stands in the URI goes before', () => {
    const given = { username: 'bob', credential: 'builder' }
    expect(
      parse({ urls: ['turn:turn.example', 'turn:alice:wonder@turn.example', 'stun:s'], ...given }),
    ).toMatchObject([{ username: 'bob', password: 'builder' }, alice, { kind: 'stun', host: 's' }])
  })

  it.each([
    ['http://turn.example', /not a STUN or TURN server/],
    ['turn:alice:wonder', /"turn:alice:…" is not a STUN or TURN server/],
    ['turn:alice:wonder@', /not a STUN or TURN server/],
    ['turn:alice:wonder@turn.example:0', /not a STUN or TURN server/],
    ['stun:[::zz]', /not a STUN or TURN server/],
    ['stuns:stun.example', /over TLS/],
    ['stun:stun.example?transport=tcp', /neither password nor transport/],
    ['turn:alice:wonder@turn.example?transport=sctp', /transport that floe does not speak/],
    ['turns:alice:wonder@turn.example?transport=udp', /transport that floe does not speak/],
    ['turn:turn.example', /needs credentials/],
    ['turn:alice:100%@turn.example', /write it as %25/],
  ])('%s is refused in one sentence, without its password', (uri, why) => {
    expect(() => parse(uri)).toThrow(UsageError)
    expect(() => parse(uri)).toThrow(why)
    expect(() => parse(uri)).not.toThrow(/wonder|100%/)
  })

  it('an object without urls is refused', () => {
    expect(() => parse({} as IceServer)).toThrow(/needs "urls"/)
  })
})

describe('resolving', () => {
  const network = {
    resolve: async (host: string) => {
      if (host === 'nowhere.example') throw new Error('nowhere.example has no address: check the name')
      return host === 'two.example' ? ['192.0.2.1', '2001:db8::1'] : [host]
    },
  }

  it('takes every address, and warns of a name that has none', async () => {
    const warnings: string[] = []
    const named = parse(
      'stun:two.example',
      'turn:alice:wonder@nowhere.example',
      'turns:alice:wonder@192.0.2.7',
    )
    const resolved = await resolveIceServers(named, network, 0, (text) => warnings.push(text))
    expect(resolved.stunServers).toEqual([
      { address: '192.0.2.1', port: 3478 },
      { address: '2001:db8::1', port: 3478 },
    ])
    const address = { address: '192.0.2.7', port: 5349 }
    expect(resolved.turnServers).toEqual([{ address, transport: 'tls', host: '192.0.2.7', ...alice }])
    expect(warnings).toEqual(['TURN server nowhere.example: nowhere.example has no address: check the name'])
  })

  it.each([
    ['alice', '1086400:alice'],
    [undefined, '1086400'],
  ])('makes name and password for a day from a secret, for %s', async (user, username) => {
    const named = parse({ urls: 'turn:192.0.2.7', secret: 'shared', ...(user && { username: user }) })
    const resolved = await resolveIceServers(named, network, 1_000_000_000, () => {})
    const password = createHmac('sha1', 'shared').update(username).digest('base64')
    expect(resolved.turnServers).toMatchObject([{ username, password }])
  })
})
