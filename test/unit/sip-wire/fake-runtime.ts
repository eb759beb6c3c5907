// A clock that is moved by hand and UDP sockets that are heard and fed by hand.
import { NetworkError } from '../../../src/errors.ts'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { Network, Runtime, UdpSocket } from '../../../src/runtime/runtime.ts'

export interface SentDatagram {
  text: string
  data: Uint8Array
  to: TransportAddress
}

export class FakeRuntime implements Runtime {
  private time = 0
  private timers: { at: number; order: number; callback: () => void }[] = []
  private order = 0
  readonly sockets: UdpSocket[] = []
  readonly sent: SentDatagram[] = []
  readonly names = new Map<string, string[]>()
  lookups = 0
  source: string | undefined = '192.0.2.1'

  readonly random = nodeRuntime.random
  readonly files = nodeRuntime.files
  readonly clock: Runtime['clock'] = {
    now: () => this.time,
    wallTime: () => this.time,
    setTimer: (delayMs, callback) => {
      const timer = { at: this.time + delayMs, order: this.order++, callback }
      this.timers.push(timer)
      const cancel = (): void => {
        this.timers = this.timers.filter((other) => other !== timer)
      }
      return { cancel }
    },
  }
  readonly network: Network = {
    interfaces: () => [{ name: 'eth0', address: '192.0.2.1', family: 4, loopback: false }],
    openUdp: async (bind) => {
      const socket: UdpSocket = {
        local: { address: bind.address, port: bind.port || 5060 },
        send: (data, to) => void this.sent.push({ data, to, text: Buffer.from(data).toString() }),
        onDatagram: undefined,
        onError: undefined,
        close: () => undefined,
      }
      this.sockets.push(socket)
      return socket
    },
    listenTcp: async (bind) => ({ local: bind, onConnection: undefined, close: () => undefined }),
    connectTcp: async (to) => {
      throw new NetworkError('refused', to.address)
    },
    startTls: async (connection) => connection,
    openWebSocket: async ({ remote }) => {
      throw new NetworkError('no WebSockets here', remote.address)
    },
    acceptWebSocket: async ({ remote }) => {
      throw new NetworkError('no WebSockets here', remote.address)
    },
    listenTls: async (bind) => ({ local: bind, onConnection: undefined, close: () => undefined }),
    resolve: async (host) => {
      this.lookups++
      const addresses = this.names.get(host)
      if (!addresses) throw new NetworkError(`no ${host}`, host)
      return addresses
    },
    resolveAddresses: async (host) => (await this.network.resolve(host)).map((address) => ({ address })),
    resolveSrv: async () => [],
    resolveNaptr: async () => [],
    withNameServers: () => this.network,
    sourceAddressFor: async () => {
      this.lookups++
      return this.source
    },
  }

  /** Runs what is due; `between` runs once before each timer, as the poll phase of an event loop does. */
  advance(toMs: number, between: () => void = () => undefined): void {
    for (;;) {
      const next = this.timers
        .filter(({ at }) => at <= toMs)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (!next) break
      this.timers.splice(this.timers.indexOf(next), 1)
      this.time = Math.max(this.time, next.at)
      next.callback()
      between()
    }
    this.time = toMs
  }

  get pendingTimers(): number {
    return this.timers.length
  }

  receive(
    data: string | Uint8Array,
    from: TransportAddress = { address: '192.0.2.2', port: 5060 },
    socket = 0,
  ): void {
    this.sockets[socket]!.onDatagram?.(Buffer.from(data as string), from)
  }

  /** What was sent since the last call. */
  take(): SentDatagram[] {
    return this.sent.splice(0)
  }
}
