// An HTTP proxy that knows CONNECT alone (RFC 9110 9.3.6), with Basic credentials where it is told some (RFC 7617): the only way
// out of some networks. Runs on any runtime. Left out: every other method, and header fields beyond Proxy-Authorization.
import type { TransportAddress } from '../runtime/address.ts'
import type { Runtime, TcpConnection } from '../runtime/runtime.ts'

export interface HttpProxyOptions {
  credentials?: { username: string; password: string }
  /** Where it may connect to; default everywhere. Others are answered with 403. */
  permits?: (to: { host: string; port: number }) => boolean
}

const LONGEST_REQUEST_BYTES = 16_384

const answer = (status: string, ...fields: string[]): Buffer =>
  Buffer.from([`HTTP/1.1 ${status}`, ...fields, '', ''].join('\r\n'), 'latin1')

/** Resolves to the function that stops the proxy and cuts its connections. */
export async function serveHttpProxy(
  { network }: Runtime,
  bind: TransportAddress,
  { credentials, permits }: HttpProxyOptions = {},
): Promise<() => void> {
  const connections = new Set<TcpConnection>()
  const hold = (connection: TcpConnection): void => {
    connections.add(connection)
    connection.onClose = () => connections.delete(connection)
  }
  const drop = (connection: TcpConnection): void => {
    connections.delete(connection)
    connection.close()
  }
  const expected =
    credentials && Buffer.from(`${credentials.username}:${credentials.password}`, 'utf8').toString('base64')

  const tunnel = (from: TcpConnection, to: TcpConnection): void => {
    from.onClose = () => {
      connections.delete(from)
      drop(to)
    }
    from.onData = (data) => to.write(data)
  }
  const serve = async (client: TcpConnection, request: string, rest: Uint8Array): Promise<void> => {
    const refuse = (status: string, ...fields: string[]): void => {
      client.write(answer(status, ...fields))
      drop(client)
    }
    const [, host, port] = /^CONNECT (\S+):(\d{1,5}) HTTP\/1\.[01]\r\n/.exec(request) ?? []
    if (!host || !port) return refuse('405 Method Not Allowed', 'Allow: CONNECT')
    const told = /\r\nproxy-authorization: *basic +(\S+)/i.exec(request)?.[1]
    if (expected && told !== expected)
      return refuse('407 Proxy Authentication Required', 'Proxy-Authenticate: Basic realm="proxy"')
    if (permits?.({ host, port: Number(port) }) === false) return refuse('403 Forbidden')
    let server: TcpConnection
    try {
      const [address] = await network.resolve(host)
      server = await network.connectTcp({ address: address!, port: Number(port) })
    } catch {
      return refuse('502 Bad Gateway')
    }
    // The client, or the proxy itself, may have gone meanwhile.
    if (!connections.has(client)) {
      server.close()
      return
    }
    hold(server)
    client.write(answer('200 Connection established'))
    if (rest.length > 0) server.write(rest)
    tunnel(client, server)
    tunnel(server, client)
  }

  const listener = await network.listenTcp(bind)
  listener.onConnection = (client) => {
    hold(client)
    let request = Buffer.alloc(0)
    client.onData = (data) => {
      request = Buffer.concat([request, data])
      const end = request.indexOf('\r\n\r\n')
      if (end < 0) {
        if (request.length > LONGEST_REQUEST_BYTES) drop(client)
        return
      }
      // What comes now waits until there is somewhere for it to go.
      client.onData = undefined
      void serve(client, request.toString('latin1', 0, end + 2), request.subarray(end + 4))
    }
  }
  return () => {
    listener.close()
    for (const connection of [...connections]) drop(connection)
  }
}
