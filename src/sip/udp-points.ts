// UDP listening points and the flows from them: which socket reaches a peer, from which of our addresses (a socket on "0.0.0.0"
// does not say), and what is no SIP among the datagrams: keep-alives, and STUN (RFC 5626 3.5.2), which is handed on.
import { NetworkError } from '../errors.ts'
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Runtime, UdpSocket } from '../runtime/runtime.ts'
import type { Flow } from './flow.ts'
import type { SourceAddresses } from './source-addresses.ts'

/** Rides out a pause of the process at thousands of datagrams a second. */
const receiveBufferBytes = 4 * 1024 * 1024

export const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'

class UdpFlow implements Flow {
  readonly protocol = 'udp'
  readonly open = true
  constructor(
    private readonly socket: UdpSocket,
    readonly remote: TransportAddress,
    readonly sentBy: TransportAddress,
  ) {}
  get local(): TransportAddress {
    return this.socket.local
  }
  send(data: Uint8Array): void {
    this.socket.send(data, this.remote)
  }
}

export interface UdpHandler {
  /** Whether that may be looked at now. */
  admits(data: Uint8Array, from: TransportAddress): boolean
  onMessage(data: Uint8Array, flow: Flow): void
  /** Not SIP, but perhaps STUN (RFC 8489 5: the first two bits are 0). Absent: it is taken for SIP. */
  readonly onForeign?: ((data: Uint8Array, flow: Flow) => void) | undefined
  onDropped(remote: TransportAddress, reason: string): void
}

export class UdpPoints {
  private readonly sockets: UdpSocket[] = []

  constructor(
    private readonly runtime: Runtime,
    private readonly sources: SourceAddresses,
    private readonly handler: UdpHandler,
  ) {}

  /** Rejects with NetworkError. */
  async open(bind: TransportAddress): Promise<TransportAddress> {
    const socket = await this.runtime.network.openUdp(bind, { receiveBufferBytes })
    this.sockets.push(socket)
    socket.onDatagram = (data, from) => this.datagram(socket, data, from)
    socket.onError = (error) => this.handler.onDropped(socket.local, `UDP error: ${error.message}`)
    return socket.local
  }

  close(): void {
    for (const socket of this.sockets.splice(0)) socket.close()
  }

  reaches(family: 4 | 6): boolean {
    return this.socketsFor(family).length > 0
  }

  /** From the socket that peers know as `sentBy`; undefined where there is none. */
  standingFlow(sentBy: TransportAddress, remote: TransportAddress): Flow | undefined {
    const socket = this.sockets.find(
      ({ local }) =>
        local.port === sentBy.port && (local.address === sentBy.address || isWildcard(local.address)),
    )
    return socket && new UdpFlow(socket, remote, sentBy)
  }

  sameSocket(flow: Flow, remote: TransportAddress): Flow {
    const socket = this.sockets.find((candidate) => candidate.local === flow.local)
    return socket ? new UdpFlow(socket, remote, flow.sentBy) : flow
  }

  /** Throws, or rejects with, NetworkError. */
  flowTo(remote: TransportAddress): Flow | Promise<Flow> {
    const sockets = this.socketsFor(addressFamily(remote.address))
    const only = sockets[0]
    if (!only)
      throw new NetworkError(
        `cannot send UDP to ${formatAddress(remote)}: no UDP listening point of that IP version; add one`,
        formatAddress(remote),
      )
    if (sockets.length === 1 && !isWildcard(only.local.address)) return new UdpFlow(only, remote, only.local)
    const choose = (source: string | undefined): Flow => {
      const socket =
        sockets.find((candidate) => candidate.local.address === source) ??
        sockets.find((candidate) => isWildcard(candidate.local.address)) ??
        only
      const address = isWildcard(socket.local.address) ? source : socket.local.address
      if (address === undefined)
        throw new NetworkError(
          `no route to ${formatAddress(remote)}: check the address`,
          formatAddress(remote),
        )
      return new UdpFlow(socket, remote, { address, port: socket.local.port })
    }
    const known = this.sources.known(remote)
    return known === undefined ? this.sources.lookUp(remote).then(choose) : choose(known)
  }

  private datagram(socket: UdpSocket, data: Uint8Array, from: TransportAddress): void {
    const { handler } = this
    if (!handler.admits(data, from)) return
    const first = data[0]
    if (first === undefined) return
    if (first < 0x04 && handler.onForeign) {
      handler.onForeign(data, new UdpFlow(socket, from, socket.local))
      return
    }
    // Keep-alives of older devices: line ends or a few octets of nothing.
    if (data.length <= 4) return
    if (!isWildcard(socket.local.address)) {
      handler.onMessage(data, new UdpFlow(socket, from, socket.local))
      return
    }
    const source = this.sources.known(from)
    const deliver = (address: string | undefined): void =>
      handler.onMessage(
        data,
        new UdpFlow(socket, from, { address: address ?? from.address, port: socket.local.port }),
      )
    if (source !== undefined) deliver(source)
    else if (this.sources.busy) handler.onDropped(from, 'too many new sources at once')
    else void this.sources.lookUp(from).then(deliver)
  }

  private socketsFor(family: 4 | 6): UdpSocket[] {
    const fitting = this.sockets.filter((socket) => addressFamily(socket.local.address) === family)
    if (fitting.length > 0 || family === 6) return fitting
    return this.sockets.filter((socket) => socket.local.address === '::')
  }
}
