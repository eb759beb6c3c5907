// CONNECT through an HTTP proxy (RFC 9110 9.3.6) with Basic credentials (RFC 7617), the proxy played by hand on the simulated network.
import { describe, expect, it } from 'vitest'
import { NetworkError, UsageError } from '../../../src/errors.ts'
import type { TcpConnection } from '../../../src/runtime/runtime.ts'
import { simulate } from '../../../src/sim/simulate.ts'
import { connectThroughProxy, parseHttpProxy } from '../../../src/wire/http-proxy.ts'

const place = '203.0.113.5'
const to = { address: '192.0.2.10', port: 443 }

/** Resolves with what came through the tunnel, or rejects; `asked` is what the proxy got. */
async function tunnel(
  url: string,
  answer: string[] | undefined,
): Promise<{ asked: string; through: TcpConnection }> {
  const world = simulate(1)
  const proxyHost = world.host('proxy', world.internet.at(place))
  const host = world.host('client', world.internet.at('203.0.113.6'))
  const listener = await proxyHost.network.listenTcp({ address: place, port: 3128 })
  let asked = ''
  listener.onConnection = (connection) => {
    connection.onData = (data) => {
      asked += Buffer.from(data).toString('latin1')
      if (!asked.endsWith('\r\n\r\n')) return
      if (answer) for (const part of answer) connection.write(Buffer.from(part, 'latin1'))
      else connection.close()
    }
  }
  const opening = connectThroughProxy(parseHttpProxy(url), to, {
    network: host.network,
    clock: host.clock,
    timeoutMs: 5_000,
    tls: {},
  })
  const through = await world.clock.run(opening)
  return { asked, through }
}

describe('the way through', () => {
  it('is asked for by CONNECT, without credentials where there are none', async () => {
    const { asked } = await tunnel(`http://${place}:3128`, ['HTTP/1.1 200 Connection established\r\n\r\n'])
    expect(asked).toBe('CONNECT 192.0.2.10:443 HTTP/1.1\r\nHost: 192.0.2.10:443\r\n\r\n')
  })

  it('has Basic credentials where they are given, whatever they are made of', async () => {
    const url = `http://ali%40ce:p%3Aw%C3%BC@${place}:3128`
    const { asked } = await tunnel(url, ['HTTP/1.0 200 OK\r\n', 'X: y\r\n', '\r\n'])
    const basic = Buffer.from('ali@ce:p:wü', 'utf8').toString('base64')
    expect(asked).toContain(`\r\nProxy-Authorization: Basic ${basic}\r\n`)
  })

  it.each<[string, string[] | undefined, RegExp]>([
    [
      'asks for credentials',
      ['HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'],
      /asks for credentials \(407\): write http:/,
    ],
    [
      'forbids the port',
      ['HTTP/1.1 403 Forbidden\r\n\r\n'],
      /forbids a connection to 192.0.2.10:443 \(403\): use a server on port 443/,
    ],
    ['reaches nobody', ['HTTP/1.1 504 Gateway Timeout\r\n\r\n'], /cannot reach 192.0.2.10:443 \(504\)/],
    ['has another idea', ['HTTP/1.1 302 Found\r\n\r\n'], /refused a connection.*\(302\)/],
    ['speaks no HTTP', ['SSH-2.0-OpenSSH_9.2\r\n\r\n'], /does not speak HTTP/],
    ['babbles', ['x'.repeat(20_000)], /without end/],
    ['speaks before it is asked', ['HTTP/1.1 200 OK\r\n\r\nHello'], /speaks before it is asked/],
    ['hangs up', undefined, /closed the connection/],
    ['is silent', [], /did not answer CONNECT within 5000 ms/],
  ])('a proxy that %s is told of in a sentence', async (_name, answer, why) => {
    const attempt = tunnel(`http://${place}:3128`, answer)
    await expect(attempt).rejects.toThrow(NetworkError)
    await expect(attempt).rejects.toThrow(why)
  })

  it('refused credentials are told as such, and never shown', async () => {
    const attempt = tunnel(`http://alice:wonder@${place}:3128`, ['HTTP/1.1 407 No\r\n\r\n'])
    await expect(attempt).rejects.toThrow(/refused the credentials \(407\)/)
    await expect(attempt).rejects.not.toThrow(/wonder/)
  })
})

describe('a proxy as one writes it', () => {
  it.each([
    ['proxy.example:3128', { host: 'proxy.example', port: 3128 }],
    ['http://proxy.example', { host: 'proxy.example', port: 80 }],
    [
      'https://alice:wonder@proxy.example',
      { host: 'proxy.example', port: 443, tls: true, username: 'alice', password: 'wonder' },
    ],
    ['http://[2001:db8::1]:8080', { host: '2001:db8::1', port: 8080 }],
  ])('%s', (text, expected) => {
    expect(parseHttpProxy(text)).toEqual(expected)
  })

  it.each(['socks5://proxy:1080', 'http://', 'http://alice:wonder@proxy/path', 'http://a%:wonder@proxy'])(
    '%s is refused, without its password',
    (text) => {
      expect(() => parseHttpProxy(text)).toThrow(UsageError)
      expect(() => parseHttpProxy(text)).not.toThrow(/wonder/)
    },
  )
})
