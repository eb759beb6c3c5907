// How large a datagram may be on its way to a STUN server: Binding requests with a padding that servers pass over, from 1,280
// octets (the smallest that IPv6 allows) to 1,500 (an Ethernet). An answer says that all of it arrived, whole or in fragments.
import { addressFamily } from '../runtime/address.ts'
import type { Kit } from './kit.ts'
import type { KnownServer } from './nat-behaviour.ts'
import { StunSocket, silenceTiming } from './stun-socket.ts'

/** With tunnels, PPPoE and mobile networks between them. */
const sizesBytes = [1_280, 1_360, 1_400, 1_420, 1_460, 1_480, 1_492, 1_500]
/** IP and UDP, the header of STUN and that of one attribute. */
const overheadBytes = { 4: 28 + 20 + 4, 6: 48 + 20 + 4 } as const
/** Comprehension-optional and unassigned: RFC 8489 14 has every server ignore it. */
const unknownOptionalAttribute = 0xff00

export interface PathMtu {
  /** Undefined where not even the smallest was answered. */
  largestBytes?: number
  smallestLostBytes?: number
}

export async function pathMtu(kit: Kit, { address, rttMs }: KnownServer): Promise<PathMtu> {
  const socket = await StunSocket.open(kit, address)
  try {
    const overhead = overheadBytes[addressFamily(address.address)]
    const answered = await Promise.all(
      sizesBytes.map(async (bytes) => {
        const answer = await socket.ask(address, {
          fill: (writer) => writer.octets(unknownOptionalAttribute, new Uint8Array(bytes - overhead)),
          timing: silenceTiming(rttMs),
        })
        return answer !== undefined
      }),
    )
    const largest = sizesBytes.filter((_, i) => answered[i]).at(-1)
    const lost = sizesBytes.filter((_, i) => !answered[i])[0]
    return {
      ...(largest !== undefined && { largestBytes: largest }),
      ...(lost !== undefined && { smallestLostBytes: lost }),
    }
  } finally {
    socket.close()
  }
}
