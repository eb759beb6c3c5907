// Looks up the ".local" names that browsers give instead of their private addresses (RFC 6762, draft-ietf-mmusic-mdns-ice-candidates):
// one multicast question on each interface from a port of our own, which is answered there (RFC 6762 5.1), beside the system's
// resolver. Over IPv4 alone.
// Bounded in time and number; a name that nobody knows costs nothing but its candidate.
import { decode, encode } from 'dns-packet'
import { addressFamily } from '../runtime/address.ts'
import type { Millis, Network, Runtime, UdpSocket } from '../runtime/runtime.ts'

const group = { address: '224.0.0.251', port: 5353 }
const askAgainMs: Millis = 500
const limitMs: Millis = 2_000
const maximumInterfaces = 8
/** RFC 6762 5.1 is for names: who asks for more in one call does not want to know. */
const longestNameChars = 255

export const isMulticastName = (host: string): boolean =>
  /^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.local\.?$/i.test(host) && host.length <= longestNameChars

/** Resolves with the first address found, or undefined; never rejects. */
export async function resolveMulticastName(
  name: string,
  { network, clock, random }: Runtime,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const ends: (() => void)[] = []
    let settled = false
    const finish = (address?: string): void => {
      if (settled) return
      settled = true
      limit.cancel()
      for (const end of ends) end()
      resolve(address)
    }
    const limit = clock.setTimer(limitMs, () => finish())
    network.resolve(name).then(
      ([address]) => address !== undefined && finish(address),
      () => undefined,
    )
    const ask = (socket: UdpSocket): void => {
      if (settled) {
        socket.close()
        return
      }
      const id = random.integer(0x1_0000)
      const question = encode({
        type: 'query',
        id,
        questions: [
          { type: 'A', name },
          { type: 'AAAA', name },
        ],
      })
      const send = () => socket.send(question, group)
      const again = clock.setTimer(askAgainMs, send)
      ends.push(() => {
        again.cancel()
        socket.close()
      })
      socket.onDatagram = (data) => {
        const address = answerFor(name, id, data)
        if (address !== undefined) finish(address)
      }
      send()
    }
    for (const address of askedFrom(network)) network.openUdp({ address, port: 0 }).then(ask, () => undefined)
  })
}

/** A name is known in one network: each interface asks its own. */
function askedFrom(network: Network): string[] {
  const own = network.interfaces().filter(({ family, loopback }) => family === 4 && !loopback)
  return own.map(({ address }) => address).slice(0, maximumInterfaces)
}

/** The address that a response gives this name; undefined where it is none, or of another question. */
export function answerFor(name: string, id: number, data: Uint8Array): string | undefined {
  try {
    const packet = decode(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    if (packet.type !== 'response' || packet.id !== id) return undefined
    const wanted = name.replace(/\.$/, '').toLowerCase()
    for (const answer of packet.answers ?? []) {
      if ((answer.type !== 'A' && answer.type !== 'AAAA') || answer.name.toLowerCase() !== wanted) continue
      // What is link-local would need a zone that SDP cannot carry.
      if (addressFamily(answer.data) === 6 && /^fe[89ab].:/i.test(answer.data)) continue
      return answer.data
    }
  } catch {
    // Anybody may send anything to an open port.
  }
  return undefined
}
