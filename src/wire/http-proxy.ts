// A way out through an HTTP proxy: CONNECT (RFC 9110 9.3.6) with Basic credentials (RFC 7617), also to a proxy that itself is
// reached over TLS. Left out: Digest, NTLM and Kerberos at the proxy, and finding it (PAC, WPAD).
import { NetworkError, UsageError } from '../errors.ts'
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, Network, TcpConnection } from '../runtime/runtime.ts'

export interface HttpProxy {
  readonly host: string
  readonly port: number
  /** The proxy itself is reached over TLS ("https://"). */
  readonly tls?: boolean
  readonly username?: string
  /** Never recorded, never printed. */
  readonly password?: string
}

const defaultPort = { 'http:': 80, 'https:': 443 } as const
/** A proxy's answer to CONNECT is a status line and some fields. */
const longestAnswerBytes = 16 * 1024

/** Reads "http://user:password@proxy.example:3128". Throws UsageError. */
export function parseHttpProxy(text: string): HttpProxy {
  const wrong = (): UsageError =>
    new UsageError(
      `"${text.replace(/\/\/.*@/, '//…@')}" is not an HTTP proxy: write http://host:port or http://user:password@host:port`,
    )
  let url: URL
  try {
    url = new URL(text.includes('://') ? text : `http://${text}`)
  } catch {
    throw wrong()
  }
  const { protocol, hostname, port, username, password, pathname, search } = url
  if ((protocol !== 'http:' && protocol !== 'https:') || !hostname || pathname !== '/' || search)
    throw wrong()
  try {
    return {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port ? Number(port) : defaultPort[protocol],
      ...(protocol === 'https:' && { tls: true }),
      ...(username && { username: decodeURIComponent(username), password: decodeURIComponent(password) }),
    }
  } catch {
    throw wrong()
  }
}

export interface ProxySettings {
  network: Network
  /** The local address to connect from, where it has the proxy's family; default: what routing chooses. */
  from?: TransportAddress
  clock: Clock
  timeoutMs: Millis
  signal?: AbortSignal
  tls: { ca?: string; verify?: boolean }
}

/** A connection to `to`, an address or a name and a port, through the proxy. Rejects with NetworkError. */
export async function connectThroughProxy(
  proxy: HttpProxy,
  to: TransportAddress,
  settings: ProxySettings,
): Promise<TcpConnection> {
  const { network, timeoutMs, tls, from, signal } = settings
  const [address] = await network.resolve(proxy.host)
  if (address === undefined) throw new NetworkError(`the HTTP proxy ${proxy.host} has no address`, proxy.host)
  let connection = await network.connectTcp(
    { address, port: proxy.port },
    {
      timeoutMs,
      ...(signal && { signal }),
      ...(from && addressFamily(from.address) === addressFamily(address) && { from }),
    },
  )
  if (proxy.tls)
    connection = await network.startTls(connection, { serverName: proxy.host, timeoutMs, ...tls })
  try {
    await requestTunnel(proxy, connection, to, settings)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

function requestTunnel(
  proxy: HttpProxy,
  connection: TcpConnection,
  to: TransportAddress,
  { clock, timeoutMs }: ProxySettings,
): Promise<void> {
  const name = `the HTTP proxy ${formatAddress({ address: proxy.host, port: proxy.port })}`
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0)
    const finish = (problem?: string): void => {
      timer.cancel()
      connection.onData = undefined
      connection.onClose = undefined
      if (problem === undefined) resolve()
      else reject(new NetworkError(`${name} ${problem}`, formatAddress(connection.remote)))
    }
    const timer = clock.setTimer(timeoutMs, () =>
      finish(`did not answer CONNECT within ${timeoutMs} ms: check that it is an HTTP proxy`),
    )
    connection.onClose = () => finish('closed the connection: check that it is an HTTP proxy')
    connection.onData = (data) => {
      answer = Buffer.concat([answer, data])
      const end = answer.indexOf('\r\n\r\n')
      if (end < 0) {
        if (answer.length > longestAnswerBytes)
          finish('sends an answer without end: check that it is an HTTP proxy')
        return
      }
      const status = /^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(answer.toString('latin1', 0, end + 2))?.[1]
      if (status?.startsWith('2') && answer.length > end + 4)
        finish('speaks before it is asked: use another one')
      else finish(refusal(status, proxy, to))
    }
    connection.write(Buffer.from(connectRequest(proxy, to), 'latin1'))
  })
}

function connectRequest({ username, password }: HttpProxy, to: TransportAddress): string {
  const authority = formatAddress(to)
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`]
  if (username !== undefined) {
    const credentials = Buffer.from(`${username}:${password ?? ''}`, 'utf8').toString('base64')
    lines.push(`Proxy-Authorization: Basic ${credentials}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Why there is no tunnel; undefined where there is one. */
function refusal(status: string | undefined, proxy: HttpProxy, to: TransportAddress): string | undefined {
  const target = formatAddress(to)
  if (status === undefined) return 'does not speak HTTP: check its port'
  if (status.startsWith('2')) return undefined
  if (status === '407')
    return proxy.username === undefined
      ? 'asks for credentials (407): write http://user:password@host:port'
      : 'refused the credentials (407): check user and password, and that it takes Basic'
  if (status === '403' || status === '405')
    return `forbids a connection to ${target} (${status}): use a server on port 443`
  if (status.startsWith('5'))
    return `cannot reach ${target} (${status}): check address and port of the server`
  return `refused a connection to ${target} (${status}): ask its operator`
}
