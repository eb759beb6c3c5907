// The connections that are open, by what a hop asks for: protocol, remote address and, over TLS, the name that the certificate
// bears (RFC 5923 7, RFC 5922 7.1). A peer with a verified certificate may be reached, over the connection that it opened, at the
// address where it listens too (alias); nobody else may, since he could take what is meant for another. A WebSocket's client is
// reached by the name that it gives itself.
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { ConnectionFlow } from './connection-flow.ts'
import { certificateCovers } from './domain-certificate.ts'
import type { Protocol } from './flow.ts'

/** Of one connection; honest peers listen at one address. */
const maximumAliases = 4

const keyOf = (protocol: Protocol, remote: TransportAddress): string => `${protocol} ${formatAddress(remote)}`

export class FlowTable {
  private readonly flows = new Map<ConnectionFlow, string[]>()
  private readonly opened = new Map<string, number>()
  private readonly byAddress = new Map<string, ConnectionFlow[]>()

  get size(): number {
    return this.flows.size
  }

  [Symbol.iterator](): IterableIterator<ConnectionFlow> {
    return [...this.flows.keys()][Symbol.iterator]()
  }

  has(flow: unknown): flow is ConnectionFlow {
    return this.flows.has(flow as ConnectionFlow)
  }

  /** How many that address has opened. */
  countFrom(address: string): number {
    return this.opened.get(address) ?? 0
  }

  add(flow: ConnectionFlow): void {
    this.flows.set(flow, [])
    if (flow.incoming) this.count(flow.remote.address, 1)
    this.file(keyOf(flow.protocol, flow.remote), flow)
  }

  /** Returns whether it was there. */
  remove(flow: ConnectionFlow): boolean {
    const keys = this.flows.get(flow)
    if (!this.flows.delete(flow)) return false
    if (flow.incoming) this.count(flow.remote.address, -1)
    for (const key of keys ?? []) {
      const rest = this.byAddress.get(key)?.filter((other) => other !== flow)
      if (rest?.length) this.byAddress.set(key, rest)
      else this.byAddress.delete(key)
    }
    return true
  }

  /** The other end listens at `address` (RFC 5923 8): what goes there may take this connection. Ignored where its certificate was
   *  not verified. */
  alias(flow: ConnectionFlow, address: TransportAddress): void {
    const keys = this.flows.get(flow)
    const key = keyOf(flow.protocol, address)
    if (!keys || !flow.tls?.verified || keys.includes(key) || keys.length > maximumAliases) return
    this.file(key, flow)
  }

  /** The other end calls itself `host`, which nobody can resolve (RFC 7118 5.2). The first to do so is believed. */
  name(flow: ConnectionFlow, host: string): void {
    const keys = this.flows.get(flow)
    if (!keys || keys.length > maximumAliases || this.byAddress.has(host)) return
    this.file(host, flow)
  }

  findNamed(host: string): ConnectionFlow | undefined {
    return this.byAddress.get(host)?.find((flow) => flow.open)
  }

  /** @param serverName what the certificate must bear; absent: any */
  find(protocol: Protocol, remote: TransportAddress, serverName?: string): ConnectionFlow | undefined {
    const found = this.byAddress
      .get(keyOf(protocol, remote))
      ?.find((flow) => flow.open && (serverName === undefined || serves(flow, remote, serverName)))
    // A URI says ";transport=ws" for both (RFC 7118 5.3).
    return found ?? (protocol === 'ws' ? this.find('wss', remote, serverName) : undefined)
  }

  private count(address: string, by: 1 | -1): void {
    const now = this.countFrom(address) + by
    if (now > 0) this.opened.set(address, now)
    else this.opened.delete(address)
  }

  private file(key: string, flow: ConnectionFlow): void {
    this.flows.get(flow)?.push(key)
    const known = this.byAddress.get(key)
    if (known) known.push(flow)
    else this.byAddress.set(key, [flow])
  }
}

function serves(flow: ConnectionFlow, remote: TransportAddress, serverName: string): boolean {
  if (!flow.tls || flow.serverName === serverName) return true
  const { verified, names } = flow.tls
  if (verified && names && certificateCovers(names, serverName)) return true
  // A peer that came without a certificate is reached at the very address it came from, as over TCP: it has no other.
  return flow.incoming && serverName === remote.address && flow.remote.port === remote.port
}
