import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parseAccount, parseDuration, phoneOptions, wholeNumber } from '../../../src/cli/flags.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'floe-flags-'))
  vi.stubEnv('FLOE_CONFIG', join(folder, 'config.yaml'))
  vi.stubEnv('FLOE_PASSWORD', undefined)
  vi.stubEnv('FLOE_ACCOUNT', undefined)
  vi.stubEnv('FLOE_TURN_PASSWORD', undefined)
  vi.stubEnv('FLOE_TURN_SECRET', undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

const profile = (text: string): void => writeFileSync(join(folder, 'config.yaml'), text)

test('times', () => {
  expect(['500ms', '10s', '2m', '1.5', '1h'].map(parseDuration)).toEqual([
    500, 10_000, 120_000, 1_500, 3_600_000,
  ])
  expect(() => parseDuration('soon')).toThrow(/not a time/)
})

test('whole numbers', () => {
  const status = wholeNumber(300, 699)
  expect(['300', '486', '699'].map(status)).toEqual([300, 486, 699])
  for (const text of ['299', '700', '4e2', '', 'busy']) expect(() => status(text)).toThrow(/300 to 699/)
})

test('accounts', () => {
  const alice = { scheme: 'sip', user: 'alice', host: 'pbx.example' }
  expect(parseAccount('alice@pbx.example')).toEqual(alice)
  expect(parseAccount('sips:alice@pbx.example')).toEqual({ ...alice, scheme: 'sips' })
  expect(parseAccount('sip:1001:p:w@d@pbx:5080')).toEqual({
    scheme: 'sip',
    user: '1001',
    host: 'pbx:5080',
    password: 'p:w@d',
  })
  expect(() => parseAccount('alice:secret')).toThrow(/^(?!.*secret)/)
})

describe('where settings come from', () => {
  test('flags alone', () => {
    expect(
      phoneOptions({
        as: 'alice@pbx',
        transport: 'tcp',
        stun: ['stun.example'],
        codec: ['pcma,pcmu'],
        ptime: 30,
        silenceSuppression: true,
        bind: ':5062',
      }),
    ).toEqual({
      account: 'sip:alice@pbx',
      server: 'sip:pbx;transport=tcp',
      iceServers: ['stun:stun.example'],
      codecs: ['PCMA', 'PCMU'],
      ptimeMs: 30,
      silenceSuppression: true,
      listen: [
        { protocol: 'udp', address: '0.0.0.0', port: 5062 },
        { protocol: 'tcp', address: '0.0.0.0', port: 5062 },
      ],
    })
  })

  test('the environment', () => {
    vi.stubEnv('FLOE_ACCOUNT', 'bob@pbx')
    vi.stubEnv('FLOE_PASSWORD', 'pw')
    expect(phoneOptions({})).toEqual({ account: 'sip:bob@pbx', password: 'pw' })
  })

  test('a profile, which flags override', () => {
    profile(
      'profiles:\n  work: { as: alice@pbx, password: 1234, stun: stun.example, ice: require, threads: 2 }\n',
    )
    expect(phoneOptions({ profile: 'work', ice: 'off' })).toEqual({
      account: 'sip:alice@pbx',
      password: '1234',
      ice: 'off',
      threads: 2,
      iceServers: ['stun:stun.example'],
    })
  })

  test('mistakes in the profile file', () => {
    expect(() => phoneOptions({ profile: 'work' })).toThrow(/does not exist/)
    profile('profiles:\n  work: { as: alice@pbx, colour: red }\n')
    expect(() => phoneOptions({ profile: 'work' })).toThrow(/unknown setting "colour"/)
    expect(() => phoneOptions({ profile: 'home' })).toThrow(/has no profile "home"; it has: work/)
    profile('profiles: { work: { password: s3cret ')
    expect(() => phoneOptions({ profile: 'work' })).toThrow(/^(?!.*s3cret).*not YAML/)
    rmSync(join(folder, 'config.yaml'))
    mkdirSync(join(folder, 'config.yaml'))
    expect(() => phoneOptions({ profile: 'work' })).toThrow(/^cannot read .*config.yaml: it is a folder$/)
  })
})

test('--bind', () => {
  const listen = (bind: string) => phoneOptions({ bind }).listen![0]
  expect(listen('192.0.2.1')).toEqual({ protocol: 'udp', address: '192.0.2.1', port: 0 })
  expect(listen('192.0.2.1:5060')).toEqual({ protocol: 'udp', address: '192.0.2.1', port: 5060 })
  expect(listen('[2001:db8::1]:5060')).toEqual({ protocol: 'udp', address: '2001:db8::1', port: 5060 })
  expect(listen('::1')).toEqual({ protocol: 'udp', address: '::1', port: 0 })
  expect(() => listen('nowhere')).toThrow(/not an address/)
})

describe('STUN, TURN and ICE', () => {
  test('servers may stand without a scheme; the password comes from the environment', () => {
    vi.stubEnv('FLOE_TURN_PASSWORD', 'hush')
    expect(
      phoneOptions({ stun: ['stun.example'], turn: ['alice@turn.example', 'turns:bob@turn.example:443'] }),
    ).toEqual({
      iceServers: [
        'stun:stun.example',
        { urls: 'turn:alice@turn.example', credential: 'hush' },
        { urls: 'turns:bob@turn.example:443', credential: 'hush' },
      ],
    })
  })

  test('the secret of time-limited passwords, too', () => {
    vi.stubEnv('FLOE_TURN_SECRET', 'shared')
    expect(phoneOptions({ turn: ['turn:alice@turn.example'] }).iceServers).toEqual([
      { urls: 'turn:alice@turn.example', secret: 'shared' },
    ])
  })

  test.each([['alice@turn.example'], ['turns:alice@turn.example:443']])('%s needs a password', (uri) => {
    expect(() => phoneOptions({ turn: [uri] })).toThrow(/needs a password: set FLOE_TURN_PASSWORD/)
    expect(() => phoneOptions({ turn: [uri.replace('@', ':hush@')] })).not.toThrow()
  })

  test('relays alone need a server that has some', () => {
    expect(() => phoneOptions({ ice: 'relay' })).toThrow(/--ice relay needs a TURN server: give --turn/)
  })

  test('a profile holds all of them', () => {
    const ca = join(folder, 'ca.pem')
    const pem = '-----BEGIN CERTIFICATE-----'
    writeFileSync(ca, pem)
    profile(`profiles:
  work:
    turn: [turn:alice@turn.example, 'turns:alice@turn.example:443']
    turnPassword: hush
    httpProxy: http://proxy.example:3128
    tlsCa: ${ca}
    trickle: full
    iceLite: true
    iceTcp: false
    interface: [eth0, 192.0.2.1]
`)
    expect(phoneOptions({ profile: 'work' })).toEqual({
      iceServers: [
        { urls: 'turn:alice@turn.example', credential: 'hush' },
        { urls: 'turns:alice@turn.example:443', credential: 'hush' },
      ],
      httpProxy: 'http://proxy.example:3128',
      tlsCa: pem,
      tls: { ca: pem },
      trickle: 'full',
      iceLite: true,
      iceTcp: false,
      interfaces: ['eth0', '192.0.2.1'],
    })
  })
})

describe('SIP over TLS and WebSocket', () => {
  const file = (name: string): string => {
    writeFileSync(join(folder, name), name)
    return join(folder, name)
  }

  test('every transport becomes that of the server', () => {
    for (const transport of ['tls', 'ws', 'wss'] as const)
      expect(phoneOptions({ as: 'alice@pbx', transport }).server).toBe(`sip:pbx;transport=${transport}`)
  })

  test('a server may be named as browsers name it, and by sips:', () => {
    for (const server of ['wss://pbx.example:8089/ws', 'sips:pbx.example'])
      expect(phoneOptions({ as: 'alice@pbx.example', server }).server).toBe(server)
  })

  test('a certificate and its key are read, shown, and listened with on the next port', () => {
    const options = phoneOptions({
      bind: '127.0.0.1:5060',
      tlsCert: file('own.pem'),
      tlsKey: file('own.key'),
    })
    expect(options.tls).toEqual({ cert: 'own.pem', key: 'own.key' })
    expect(options.listen).toContainEqual({ protocol: 'tls', address: '127.0.0.1', port: 5061 })
    expect(() => phoneOptions({ tlsCert: file('own.pem') })).toThrow(/--tls-cert is half of a pair/)
    expect(() => phoneOptions({ tlsCa: join(folder, 'none.pem') })).toThrow(/cannot read .*none.pem/)
    expect(() => phoneOptions({ tlsCa: file('key.pem') })).toThrow(/key.pem holds no certificate: --tls-ca/)
  })

  test('SSLKEYLOGFILE is honoured only where it is asked for', () => {
    vi.stubEnv('SSLKEYLOGFILE', '/somewhere/keys')
    expect(phoneOptions({}).tls).toBeUndefined()
    expect(phoneOptions({ tlsKeyLog: true }).tls).toEqual({ keyLogFile: '/somewhere/keys' })
    expect(phoneOptions({ tlsKeyLog: 'keys.log' }).tls).toEqual({ keyLogFile: 'keys.log' })
    vi.stubEnv('SSLKEYLOGFILE', undefined)
    expect(() => phoneOptions({ tlsKeyLog: true })).toThrow(/names no file/)
  })

  test('a profile has them too', () => {
    profile(`profiles: { lab: { as: alice@pbx, transport: tls, tlsInsecure: true, tlsKeyLog: keys.log } }\n`)
    expect(phoneOptions({ profile: 'lab' })).toEqual({
      account: 'sip:alice@pbx',
      server: 'sip:pbx;transport=tls',
      tls: { rejectUnauthorized: false, keyLogFile: 'keys.log' },
    })
  })
})
