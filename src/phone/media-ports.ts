// The sockets of one media path: for each local address a UDP port per component, and two TCP ports where ICE over
// TCP is wanted: one that listens, and one for simultaneous open.
import { isPrivate } from '../diagnose/private-address.ts'
import { NetworkError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import type { FactBody } from '../trace/facts.ts'
import type { Wires } from '../wire/wires.ts'

export interface MediaPort {
  component: 1 | 2
  local: TransportAddress
}

export interface MediaPorts {
  udp: MediaPort[]
  /** Of component 1 alone: a peer that cannot do without RTCP of its own hardly speaks ICE over TCP. */
  listeners: MediaPort[]
  /** For simultaneous open, of component 1 too: of public addresses, since a NAT would show another port. */
  reserved: MediaPort[]
}

export interface PortsWanted {
  addresses: readonly string[]
  components: 1 | 2
  listen: boolean
  record: (fact: FactBody) => void
}

/** RTP on an even port with RTCP on the next one (RFC 3550 11), for peers that ignore a=rtcp. */
const portPairAttempts = 16
/** Several streams' worth of a jittery sender: 20 ms packets that wait while the event loop is busy. */
const receiveBufferBytes = 512 * 1024

/** Rejects with NetworkError where no address gives any. */
export async function openMediaPorts(wires: Wires, wanted: PortsWanted): Promise<MediaPorts> {
  const ports: MediaPorts = { udp: [], listeners: [], reserved: [] }
  let failure: unknown
  for (const address of wanted.addresses) {
    try {
      const opened = await openPair(wires, address, wanted.components)
      for (const [index, local] of opened.entries()) ports.udp.push({ component: index === 0 ? 1 : 2, local })
      if (!wanted.listen) continue
      ports.listeners.push({ component: 1, local: await wires.listenTcp({ address, port: 0 }) })
      if (!isPrivate(address))
        ports.reserved.push({ component: 1, local: await wires.reserveTcp({ address, port: 0 }) })
    } catch (error) {
      // An address that has just gone away must not take the call with it, unless it was the last one.
      failure = error
      const reason = error instanceof Error ? error.message : String(error)
      wanted.record({ layer: 'call', type: 'warning', message: `no media socket on ${address}: ${reason}` })
    }
  }
  if (ports.udp.length > 0) return ports
  throw failure ?? new NetworkError('no network address to receive media on: connect an interface', 'none')
}

async function openPair(wires: Wires, address: string, components: 1 | 2): Promise<TransportAddress[]> {
  const bind = (port: number) => wires.openUdp({ address, port }, { receiveBufferBytes, media: true })
  if (components === 1) return [await bind(0)]
  for (let attempt = 0; ; attempt++) {
    const rtp = await bind(0)
    const even = rtp.port % 2 === 0
    const last = attempt >= portPairAttempts
    if (even || last) {
      try {
        return [rtp, await bind(even && !last ? rtp.port + 1 : 0)]
      } catch (error) {
        wires.closeUdp(rtp)
        if (last) throw error
        continue
      }
    }
    wires.closeUdp(rtp)
  }
}
