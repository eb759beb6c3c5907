// UDP sockets of Node as floe has them. What happens on an open socket is reported to its handlers and never thrown.
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { isIP } from 'node:net'
import { addressFamily, plainAddress, type TransportAddress } from './address.ts'
import { bindError, zonedAddress } from './node-addresses.ts'
import type { Network, UdpSocket } from './runtime.ts'

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** Addresses are literals here; a synchronous lookup lets `send` reach the kernel within the call. */
const literalLookup = (
  address: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void => {
  const family = isIP(address)
  if (family) callback(null, address, family)
  else
    callback(Object.assign(new Error(`"${address}" is no IP address`), { code: 'EINVAL' }), address, family)
}

class NodeUdpSocket implements UdpSocket {
  onDatagram: UdpSocket['onDatagram']
  onError: UdpSocket['onError']
  readonly local: TransportAddress
  private readonly family: 4 | 6
  private closed = false
  /** Whom the datagram before came from, as Node writes it and as we do: mostly the same again. */
  private fromAddress = ''
  private from: TransportAddress = { address: '', port: 0 }
  private readonly sent = (error: Error | null): void => {
    if (error) this.report(error)
  }

  constructor(private readonly socket: DatagramSocket) {
    const { address, port } = socket.address()
    this.local = { address: plainAddress(address), port }
    this.family = addressFamily(address)
    socket.on('message', (data, from) => {
      if (from.port !== this.from.port || from.address !== this.fromAddress) {
        this.fromAddress = from.address
        this.from = { address: plainAddress(from.address), port: from.port }
      }
      this.onDatagram?.(data, this.from)
    })
    socket.on('error', (error) => this.report(error))
  }

  send(data: Uint8Array, to: TransportAddress): void {
    if (this.closed) return
    // A socket on "::" also reaches IPv4.
    const address = this.family === 6 && addressFamily(to.address) === 4 ? `::ffff:${to.address}` : to.address
    try {
      this.socket.send(data, to.port, address, this.sent)
    } catch (error) {
      this.report(asError(error))
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.socket.close()
  }

  private report(error: Error): void {
    if (!this.closed) this.onError?.(error)
  }
}

export const openUdp: Network['openUdp'] = (bind, options) =>
  new Promise((resolve, reject) => {
    const socket = createSocket({
      type: addressFamily(bind.address) === 4 ? 'udp4' : 'udp6',
      lookup: literalLookup as never,
    })
    const refuse = (error: unknown): void => {
      socket.close()
      reject(bindError('UDP', bind, error))
    }
    socket.once('error', refuse)
    try {
      // bind() would take such a port modulo 65536.
      if (!(bind.port >= 0 && bind.port <= 65_535))
        throw Object.assign(new Error('port'), { code: 'ERR_SOCKET_BAD_PORT' })
      socket.bind(bind.port, zonedAddress(bind.address), () => {
        socket.off('error', refuse)
        try {
          if (options?.receiveBufferBytes) socket.setRecvBufferSize(options.receiveBufferBytes)
        } catch {
          // The system's default buffer serves as well.
        }
        resolve(new NodeUdpSocket(socket))
      })
    } catch (error) {
      refuse(error)
    }
  })

/** Connecting a UDP socket sends nothing: the kernel only chooses route and source address. */
export const sourceAddressFor: Network['sourceAddressFor'] = (to) =>
  new Promise((resolve) => {
    const socket = createSocket({
      type: addressFamily(to.address) === 4 ? 'udp4' : 'udp6',
      lookup: literalLookup as never,
    })
    const finish = (address: string | undefined): void => {
      socket.close()
      resolve(address)
    }
    socket.once('error', () => finish(undefined))
    try {
      socket.connect(to.port || 9, to.address, (error?: Error) =>
        finish(error ? undefined : plainAddress(socket.address().address)),
      )
    } catch {
      finish(undefined)
    }
  })
