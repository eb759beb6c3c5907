import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Random } from '../../../src/runtime/runtime.ts'
import { DigestClient, parseDigestChallenges } from '../../../src/sip/digest.ts'

const random: Random = { bytes: (n) => new Uint8Array(n).fill(7), integer: () => 0 }
const client = (password: string | undefined = 'secret', username = 'alice') =>
  new DigestClient(username, password, random)
const field = (header: string, name: string) =>
  new RegExp(`[ ,]${name}="?((?:[^"\\\\,]|\\\\.)*)"?`).exec(header)?.[1]
const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('challenges (RFC 7616 3.3, RFC 7235 4.1)', () => {
  it('reads several challenges from one line and from several', () => {
    const found = parseDigestChallenges([
      'Basic realm="x", Digest realm="a, b", nonce="n=1,", qop="auth,auth-int", algorithm=SHA-256 , Digest realm="c",nonce="2",stale=TRUE',
      'Digest nonce="3", realm="d\\"q"',
    ])
    expect(found.map((c) => [c.realm, c.nonce, c.algorithm, c.qop, c.stale])).toEqual([
      ['a, b', 'n=1,', 'SHA-256', 'auth', false],
      ['c', '2', 'MD5', undefined, true],
      ['d"q', '3', 'MD5', undefined, false],
    ])
  })

  it.each([
    '',
    'Digest',
    'Digest realm="a"',
    'Digest realm="a", nonce="b", algorithm=ROT13',
    'Digest "',
    '=,=,"\\',
  ])('skips %j', (text) => expect(parseDigestChallenges([text])).toEqual([]))

  it('stays linear on hostile input', () => {
    const started = performance.now()
    parseDigestChallenges([
      `Digest ${'a='.repeat(30_000)}`,
      `Digest a="${'\\'.repeat(60_000)}`,
      ','.repeat(60_000),
    ])
    expect(performance.now() - started).toBeLessThan(500)
  })
})

describe('credentials', () => {
  it('computes the examples of RFC 7616 3.9.1 (cnonce taken from the header)', () => {
    for (const [algorithm, hash] of [
      ['MD5', md5],
      ['SHA-256', sha256],
    ] as const) {
      const digest = new DigestClient('Mufasa', 'Circle of Life', random)
      const attempt = digest.attempt('example.org')
      const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v'
      const challenge = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
      expect(attempt.challenged(401, [challenge])).toBeUndefined()
      const [header] = attempt.headers('GET', '/dir/index.html')
      const a1 = hash('Mufasa:http-auth@example.org:Circle of Life')
      expect(field(header!, 'response')).toBe(
        hash(`${a1}:${nonce}:00000001:${field(header!, 'cnonce')}:auth:${hash('GET:/dir/index.html')}`),
      )
      expect(field(header!, 'opaque')).toBe('FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS')
    }
  })

  it('computes -sess, auth-int and the old form without qop', () => {
    const attempt = client().attempt('h')
    attempt.challenged(401, ['Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth-int"'])
    const header = attempt.headers('INVITE', 'sip:b@h', 'v=0')[0]!
    const cnonce = field(header, 'cnonce')
    expect(field(header, 'response')).toBe(
      md5(
        `${md5(`${md5('alice:r:secret')}:n:${cnonce}`)}:n:00000001:${cnonce}:auth-int:${md5(`INVITE:sip:b@h:${md5('v=0')}`)}`,
      ),
    )
    const old = client().attempt('h')
    old.challenged(401, ['Digest realm="r", nonce="n"'])
    const oldHeader = old.headers('REGISTER', 'sip:h')[0]!
    expect(field(oldHeader, 'response')).toBe(md5(`${md5('alice:r:secret')}:n:${md5('REGISTER:sip:h')}`))
    expect(oldHeader).not.toMatch(/cnonce|nc=|qop/)
  })

  it('chooses the strongest algorithm in either order', () => {
    for (const order of [
      ['MD5', 'SHA-256'],
      ['SHA-256', 'MD5'],
    ]) {
      const attempt = client().attempt('h')
      attempt.challenged(
        401,
        order.map((algorithm) => `Digest realm="r", nonce="n", algorithm=${algorithm}`),
      )
      expect(attempt.headers('REGISTER', 'sip:h')[0]).toContain('algorithm=SHA-256')
    }
  })

  it('answers 407 and then 401 on the same request', () => {
    const attempt = client().attempt('h')
    expect(attempt.challenged(407, ['Digest realm="r", nonce="1"'])).toBeUndefined()
    expect(attempt.challenged(401, ['Digest realm="r", nonce="2"'])).toBeUndefined()
    const headers = attempt.headers('INVITE', 'sip:b@h')
    expect(headers.map((line) => line.split(':')[0])).toEqual(['Proxy-Authorization', 'Authorization'])
  })

  it('reuses a nonce with a rising count, and takes a refused old nonce as a new challenge', () => {
    const digest = client()
    const first = digest.attempt('h')
    first.challenged(401, ['Digest realm="r", nonce="1", qop="auth"'])
    expect(field(first.headers('REGISTER', 'sip:h')[0]!, 'nc')).toBe('00000001')
    const second = digest.attempt('h')
    expect(field(second.headers('REGISTER', 'sip:h')[0]!, 'nc')).toBe('00000002')
    expect(second.challenged(401, ['Digest realm="r", nonce="2", qop="auth"'])).toBeUndefined()
    expect(field(second.headers('REGISTER', 'sip:h')[0]!, 'nc')).toBe('00000001')
    expect(digest.attempt('other').headers('REGISTER', 'sip:other')).toEqual([])
  })

  it('keeps requests short for a server that asks in ever new realms', () => {
    const digest = client()
    for (let i = 0; i < 100; i++) digest.attempt('h').challenged(401, [`Digest realm="r${i}", nonce="n"`])
    const headers = digest.attempt('h').headers('REGISTER', 'sip:h')
    expect(headers).toHaveLength(4)
    expect(headers.at(-1)).toContain('realm="r99"')
  })

  it('gives up on a wrong password at once, and on endless staleness', () => {
    const attempt = client().attempt('h')
    attempt.challenged(401, ['Digest realm="r", nonce="1"'])
    expect(attempt.challenged(401, ['Digest realm="r", nonce="2"'])).toMatch(/refused the user name "alice"/)
    const stale = client().attempt('h')
    let tries = 0
    while (stale.challenged(401, [`Digest realm="r", nonce="${tries}", stale=true`]) === undefined) tries++
    expect(tries).toBe(3)
  })

  it('says in words what is missing, and never the password', () => {
    expect(
      client(undefined as never, 'bob')
        .attempt('h')
        .challenged(401, ['Basic realm="x"']),
    ).toMatch(/does not know/)
    const none = new DigestClient('bob', undefined, random)
    expect(none.attempt('h').challenged(401, ['Digest realm="r", nonce="1"'])).toMatch(/none was given/)
  })

  it('escapes what it quotes', () => {
    const attempt = client('p', 'a"b\\c').attempt('h')
    attempt.challenged(401, ['Digest realm="q\\"r", nonce="n"'])
    const header = attempt.headers('REGISTER', 'sip:h')[0]!
    expect(header).toContain('username="a\\"b\\\\c"')
    expect(header).toContain('realm="q\\"r"')
    expect(header).toContain(md5(`${md5('a"b\\c:q"r:p')}:n:${md5('REGISTER:sip:h')}`))
  })
})
