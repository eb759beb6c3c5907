// TLS on real loopback sockets: what is accepted, and for everything that is not one sentence that says what to do.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as netConnect, createServer as netServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect, createServer as tlsServer } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { TcpConnection, TlsServerOptions } from '../../../src/runtime/runtime.ts'
import { clientTls, serverTls, type TlsSettings } from '../../../src/sip/tls-settings.ts'

const { network } = nodeRuntime
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')
const pair = (name: string): { cert: string; key: string } => ({
  cert: pem(`${name}.pem`),
  key: pem(`${name}.key`),
})
const trusting: TlsSettings = { ca: pem('ca.pem') }

async function listen(options: TlsServerOptions): Promise<{ port: number; next: Promise<TcpConnection> }> {
  const listener = await network.listenTls({ address: '127.0.0.1', port: 0 }, options)
  closers.push(() => listener.close())
  const next = new Promise<TcpConnection>((resolve) => {
    listener.onConnection = (connection) => {
      closers.push(() => connection.close())
      resolve(connection)
    }
  })
  return { port: listener.local.port, next }
}

/** A server of Node's own. */
const portOf = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    closers.push(() => server.close())
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })

async function open(port: number, settings = trusting, domain = '127.0.0.1'): Promise<TcpConnection> {
  const plain = await network.connectTcp({ address: '127.0.0.1', port })
  const connection = await network.startTls(plain, { ...clientTls(settings, domain), timeoutMs: 10_000 })
  closers.push(() => connection.close())
  return connection
}

const received = (connection: TcpConnection): Promise<string> =>
  new Promise((resolve) => {
    connection.onData = (data) => resolve(Buffer.from(data).toString())
  })
const closed = (connection: TcpConnection): Promise<Error | undefined> =>
  new Promise((resolve) => {
    connection.onData ??= () => undefined
    connection.onClose = resolve
  })

describe('a certificate is accepted', () => {
  test.each([
    ['server', '127.0.0.1'],
    ['server', 'localhost'],
    ['server', 'PBX.example'],
    ['sip-uri', 'pbx.example'],
    ['common-name', 'pbx.example'],
  ])('%s for %s, and octets go both ways', async (name, domain) => {
    const server = await listen(pair(name))
    const client = await open(server.port, trusting, domain)
    const accepted = await server.next
    client.write(Buffer.from('from the client'))
    expect(await received(accepted)).toBe('from the client')
    accepted.write(Buffer.from('from the server'))
    expect(await received(client)).toBe('from the server')
    expect(client.tls).toMatchObject({ verified: true })
    expect(accepted.tls).toEqual({ verified: false })
  })

  test('of anybody, where that is asked for', async () => {
    const server = await listen(pair('stranger'))
    const client = await open(server.port, { rejectUnauthorized: false })
    expect(client.tls).toMatchObject({ verified: false, names: { dnsNames: ['localhost'] } })
  })

  test('for another name, where the name is given', async () => {
    const server = await listen(pair('wrong-host'))
    await expect(open(server.port, { ...trusting, serverName: 'elsewhere.example' })).resolves.toBeDefined()
  })
})

describe('what is refused is told with its remedy', () => {
  test.each([
    [
      'expired',
      '127.0.0.1',
      trusting,
      /^the certificate of 127.0.0.1 .* expired on Jan {2}1 .*2021 GMT: have it renewed/,
    ],
    ['wrong-host', '127.0.0.1', trusting, /is for elsewhere.example: use that name, or/],
    ['server', 'mail.example', trusting, /is for localhost, pbx.example, 127.0.0.1, ::1: use that name/],
    ['sip-uri', 'mail.example', trusting, /is for sip:pbx.example, mail.example: use that name/],
    [
      'self-signed',
      'localhost',
      trusting,
      /is signed by itself .*: if it is the right one, trust it \(tls.ca, --tls-ca\)/,
    ],
    [
      'stranger',
      'localhost',
      trusting,
      /authority that is not trusted here \("another test authority"\): if/,
    ],
    ['server', 'localhost', {}, /authority that is not trusted here \("floe test authority"\)/],
  ] as const)('%s for %s', async (name, domain, settings, sentence) => {
    const server = await listen(pair(name))
    await expect(open(server.port, settings, domain)).rejects.toThrow(sentence)
  })

  test('a port that answers without TLS', async () => {
    const port = await portOf(netServer((socket) => socket.end('SIP/2.0 400 Bad Request\r\n\r\n')))
    await expect(open(port)).rejects.toThrow(/does not speak TLS on that port: check the port/)
  })

  test('a port that hangs up', async () => {
    const port = await portOf(netServer((socket) => socket.once('data', () => socket.destroy())))
    await expect(open(port)).rejects.toThrow(
      /closed the connection during TLS: check that the port speaks TLS/,
    )
  })

  test('a port that says nothing', async () => {
    const port = await portOf(netServer((socket) => closers.push(() => socket.destroy())))
    const plain = await network.connectTcp({ address: '127.0.0.1', port })
    await expect(
      network.startTls(plain, { ...clientTls(trusting, 'localhost'), timeoutMs: 100 }),
    ).rejects.toThrow(/was not set up within 100 ms/)
  })

  test('a server that speaks TLS 1.1 alone', async () => {
    const port = await portOf(
      tlsServer({
        ...pair('server'),
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL:@SECLEVEL=0',
      }),
    )
    await expect(open(port)).rejects.toThrow(/speaks no TLS 1.2 or newer: update it/)
  })

  test('a key that belongs to another certificate', async () => {
    const mixed = { cert: pem('server.pem'), key: pem('client.key') }
    await expect(listen(mixed)).rejects.toThrow(/the TLS key does not belong to the certificate/)
    await expect(listen({ ...mixed, key: 'no key' })).rejects.toThrow(/cannot be read .*give both as PEM/)
    const server = await listen(pair('server'))
    await expect(open(server.port, { ...trusting, ...mixed })).rejects.toThrow(/does not belong/)
  })

  test('listening without a certificate', () => {
    expect(() => serverTls({})).toThrow(/needs a certificate and its key/)
    expect(() => serverTls({ ...pair('server'), requestCert: true })).toThrow(/needs an authority/)
  })
})

describe('mutual TLS', () => {
  const asking = serverTls({ ...pair('server'), ca: pem('ca.pem'), requestCert: true })

  test('a client of the authority is known by its names', async () => {
    const server = await listen(asking)
    await open(server.port, { ...trusting, ...pair('client') })
    expect((await server.next).tls).toEqual({
      verified: true,
      names: { uris: ['sip:phone.example'], dnsNames: ['phone.example'], addresses: [], commonName: 'alice' },
    })
  })

  test('a client without a certificate is told that one is asked for', async () => {
    const server = await listen(asking)
    expect((await closed(await open(server.port)))?.message).toMatch(/asks for a client certificate: give/)
  })

  test('a client of another authority is disconnected', async () => {
    const server = await listen(asking)
    let admitted = false
    void server.next.then(() => {
      admitted = true
    })
    await closed(await open(server.port, { ...trusting, ...pair('stranger') }))
    expect(admitted).toBe(false)
  })
})

describe('a listener', () => {
  test('disconnects who does not complete the handshake, and serves the others meanwhile', async () => {
    const server = await listen({ ...pair('server'), timeoutMs: 300 })
    const slow = netConnect(server.port, '127.0.0.1')
    const gone = new Promise<void>((resolve) => slow.once('close', () => resolve()))
    await open(server.port)
    await gone
  })

  test('survives garbage instead of a handshake', async () => {
    const server = await listen(pair('server'))
    const scanner = netConnect(server.port, '127.0.0.1')
    const gone = new Promise<void>((resolve) => scanner.once('close', () => resolve()))
    scanner.on('error', () => undefined)
    scanner.write('OPTIONS sip:anybody SIP/2.0\r\n\r\n')
    await gone
    await open(server.port)
  })

  test('does not renegotiate', async () => {
    const server = await listen(pair('server'))
    const client = tlsConnect({
      port: server.port,
      host: '127.0.0.1',
      ca: pem('ca.pem'),
      maxVersion: 'TLSv1.2',
    })
    closers.push(() => client.destroy())
    await new Promise((resolve) => client.once('secureConnect', resolve))
    const outcome = await new Promise<unknown>((resolve) => {
      client.once('error', resolve)
      client.once('close', () => resolve(new Error('closed')))
      client.renegotiate({}, (error) => resolve(error))
    })
    expect(outcome).toBeInstanceOf(Error)
  })
})

test('keys are logged where that is asked for, for the owner alone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'floe-keys-'))
  closers.push(() => rmSync(folder, { recursive: true }))
  const keyLogFile = join(folder, 'keys')
  const server = await listen(pair('server'))
  await open(server.port, { ...trusting, keyLogFile })
  await expect
    .poll(() => readFileSync(keyLogFile, 'utf8'), { timeout: 10_000 })
    .toMatch(/^CLIENT_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} /m)
})
