// Whether two clients behind the NAT reach each other by their outside addresses (RFC 5780 4.5, RFC 4787 6). Both send, so that no
// filter stands in the way.
import type { Millis } from '../runtime/runtime.ts'
import type { Kit } from './kit.ts'
import type { KnownServer } from './nat-behaviour.ts'
import { StunSocket, silenceTiming } from './stun-socket.ts'

const tries = 5
const betweenTriesMs: Millis = 100

/** Undefined where our outside addresses cannot be told. */
export async function hairpins(kit: Kit, { address, rttMs }: KnownServer): Promise<boolean | undefined> {
  const left = await StunSocket.open(kit, address)
  const right = await StunSocket.open(kit, address)
  try {
    const timing = silenceTiming(rttMs)
    const [leftSeen, rightSeen] = await Promise.all([
      left.ask(address, { timing }),
      right.ask(address, { timing }),
    ])
    if (!leftSeen?.mapped || !rightSeen?.mapped) return undefined
    let arrived = false
    left.onRequest = right.onRequest = () => {
      arrived = true
    }
    for (let i = 0; i < tries && !arrived; i++) {
      left.send(rightSeen.mapped)
      right.send(leftSeen.mapped)
      await kit.wait(betweenTriesMs)
    }
    return arrived
  } finally {
    left.close()
    right.close()
  }
}
