// The registrar's rules in virtual time (RFC 3261 10.3), and nonces that grow old.
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { Registrar } from '../../../src/serve/registrar.ts'
import { CredentialsChecker } from '../../../src/sip/digest-server.ts'
import type { Flow } from '../../../src/sip/flow.ts'
import { request } from '../sip-wire/messages.ts'

const flow: Flow = {
  protocol: 'udp',
  local: { address: '192.0.2.1', port: 5060 },
  remote: { address: '192.0.2.2', port: 5060 },
  sentBy: { address: '192.0.2.1', port: 5060 },
  open: true,
  send: () => undefined,
}

const register = (registrar: Registrar, now: number, cseq: number, headers: string[]) =>
  registrar.register(now, request({ method: 'REGISTER', cseq, headers }), 'bob', flow)

test('a binding ends when its time is over, and is listed with what is left of it', () => {
  const registrar = new Registrar(10)
  expect(register(registrar, 0, 1, ['Contact: <sip:bob@a>;expires=60', 'Expires: 120']).headers).toEqual([
    ['Contact', '<sip:bob@a>;expires=60'],
  ])
  expect(register(registrar, 20_500, 2, []).headers).toEqual([['Contact', '<sip:bob@a>;expires=40']])
  expect(registrar.newest(59_999, 'bob')?.contact).toBe('sip:bob@a')
  expect(registrar.newest(60_000, 'bob')).toBeUndefined()
  expect(registrar.knows('bob')).toBe(true)
  expect(registrar.all(60_000)).toEqual([])
})

test('the Expires header counts where the contact says nothing; without either it is an hour', () => {
  const registrar = new Registrar(10)
  register(registrar, 0, 1, ['Contact: <sip:bob@a>', 'Expires: 120'])
  expect(registrar.newest(0, 'bob')?.expiresAt).toBe(120_000)
  register(registrar, 0, 2, ['Contact: <sip:bob@a>'])
  expect(registrar.newest(0, 'bob')?.expiresAt).toBe(3_600_000)
})

test('an older CSeq of the same Call-ID changes nothing, an equal one is a retransmission', () => {
  const registrar = new Registrar(10)
  register(registrar, 0, 5, ['Contact: <sip:bob@a>;expires=60'])
  expect(register(registrar, 10, 4, ['Contact: <sip:bob@a>;expires=0']).status).toBe(500)
  expect(registrar.newest(10, 'bob')).toBeDefined()
  expect(register(registrar, 20, 5, ['Contact: <sip:bob@a>;expires=60']).status).toBe(200)
  expect(registrar.all(20)).toHaveLength(1)
})

test('the wildcard removes everything, but only alone and with Expires 0', () => {
  const registrar = new Registrar(10)
  register(registrar, 0, 1, ['Contact: <sip:bob@a>, <sip:bob@b>'])
  expect(registrar.all(0)).toHaveLength(2)
  expect(register(registrar, 0, 2, ['Contact: *']).status).toBe(400)
  expect(register(registrar, 0, 3, ['Contact: *', 'Contact: <sip:bob@a>', 'Expires: 0']).status).toBe(400)
  expect(register(registrar, 0, 4, ['Contact: *', 'Expires: 0'])).toMatchObject({ status: 200, headers: [] })
  expect(registrar.all(0)).toEqual([])
})

test('a contact that two users have, as behind two NATs, names neither of them', () => {
  const registrar = new Registrar(10)
  const contact = ['Contact: <sip:192.168.1.2:5060>;expires=60']
  register(registrar, 0, 1, contact)
  expect(registrar.byContact(0, 'sip:192.168.1.2:5060')?.user).toBe('bob')
  registrar.register(30_000, request({ method: 'REGISTER', headers: contact }), 'alice', flow)
  expect(registrar.byContact(30_000, 'sip:192.168.1.2:5060')).toBeUndefined()
  expect(registrar.byContact(60_000, 'sip:192.168.1.2:5060')?.user).toBe('alice')
})

test('bindings of one user are bounded', () => {
  const registrar = new Registrar(10)
  for (let i = 1; i <= 16; i++)
    expect(register(registrar, 0, i, [`Contact: <sip:bob@h${i}>`]).status).toBe(200)
  expect(register(registrar, 0, 17, ['Contact: <sip:bob@h17>']).status).toBe(503)
  expect(registrar.all(0)).toHaveLength(16)
})

test('a right answer to an old nonce is stale, a wrong one is not', () => {
  const checker = new CredentialsChecker('floe', new Map([['bob', 'secret']]), ['MD5'], nodeRuntime.random)
  const nonce = /nonce="([^"]+)"/.exec(checker.challenges(1_000, false)[0]!)![1]!
  const hash = (text: string): string => createHash('md5').update(text).digest('hex')
  const asked = (password: string) =>
    request({
      method: 'REGISTER',
      headers: [
        `Authorization: Digest username="bob", realm="floe", nonce="${nonce}", uri="sip:floe", response="${hash(
          `${hash(`bob:floe:${password}`)}:${nonce}:${hash('REGISTER:sip:floe')}`,
        )}"`,
      ],
    })
  expect(checker.check(2_000, asked('secret'), 'Authorization')).toEqual({ accepted: true, user: 'bob' })
  expect(checker.check(302_000, asked('secret'), 'Authorization')).toMatchObject({
    accepted: false,
    stale: true,
  })
  expect(checker.check(2_000, asked('wrong'), 'Authorization')).toEqual({
    accepted: false,
    stale: false,
    wrong: true,
  })
})

test('forgets who came over a WebSocket that is gone, and nobody else', () => {
  const registrar = new Registrar(30)
  const over = (protocol: Flow['protocol'], contact: string) => {
    const made = { ...flow, protocol, open: true }
    const headers = [`Contact: <${contact}>`]
    registrar.register(0, request({ method: 'REGISTER', headers }), 'bob', made)
    return made
  }
  const flows = [over('wss', 'sip:bob@x.invalid'), over('ws', 'sip:bob@y.invalid'), over('tcp', 'sip:bob@z')]
  for (const made of flows.slice(0, 1).concat(flows.slice(2))) Object.assign(made, { open: false })
  expect(registrar.all(1).map(({ contact }) => contact)).toEqual(['sip:bob@y.invalid', 'sip:bob@z'])
})
