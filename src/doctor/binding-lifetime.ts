// How long a NAT or firewall remembers UDP that nobody sends any more (RFC 5780 4.6): a socket asks once and is silent; later
// another one asks the server to answer to the first one's port (RESPONSE-PORT). One pair of sockets for each time tried.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import { discoveryAttribute } from '../stun/numbers.ts'
import type { Kit } from './kit.ts'
import type { KnownServer } from './nat-behaviour.ts'
import { StunSocket, silenceTiming } from './stun-socket.ts'

/** RFC 4787 REQ-5 asks for 2 minutes at least and recommends 5. */
export const longSearchMs: readonly Millis[] = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300].map(
  (s) => s * 1_000,
)
export const shortSearchMs: readonly Millis[] = [1_000, 2_000]

export type BindingLifetime =
  | { known: true; atLeastMs: Millis /** Absent: longer than was tried. */; lessThanMs?: Millis }
  /** The server does not answer to other ports, or what it sends there does not arrive even at once. */
  | { known: false }

/** @param timesMs ascending */
export async function bindingLifetime(
  kit: Kit,
  server: KnownServer,
  timesMs: readonly Millis[],
): Promise<BindingLifetime> {
  if (!(await remembersFor(kit, server, 0))) return { known: false }
  const { kit: trialKit, end } = kit.part()
  const trials = timesMs.map((ms) => ({ ms, remembers: remembersFor(trialKit, server, ms) }))
  let atLeastMs: Millis = 0
  let lessThanMs: Millis | undefined
  for (const { ms, remembers } of trials) {
    if (await remembers) atLeastMs = ms
    else {
      if (!kit.isGivenUp) lessThanMs = ms
      break
    }
  }
  end()
  await Promise.all(trials.map(({ remembers }) => remembers))
  return { known: true, atLeastMs, ...(lessThanMs !== undefined && { lessThanMs }) }
}

async function remembersFor(kit: Kit, { address, rttMs }: KnownServer, ms: Millis): Promise<boolean> {
  const silent = await StunSocket.open(kit, address)
  const timing = silenceTiming(rttMs)
  try {
    const seen = await silent.ask(address, { timing })
    if (!seen?.mapped) return false
    await kit.wait(ms)
    return await answersTo(kit, address, silent, seen.mapped.port, timing)
  } finally {
    silent.close()
  }
}

async function answersTo(
  kit: Kit,
  address: TransportAddress,
  silent: StunSocket,
  port: number,
  timing: ReturnType<typeof silenceTiming>,
): Promise<boolean> {
  const asker = await StunSocket.open(kit, address)
  try {
    const answer = await asker.ask(address, {
      fill: (writer) =>
        writer.octets(discoveryAttribute.responsePort, Uint8Array.of(port >> 8, port & 0xff, 0, 0)),
      alsoAt: silent,
      timing,
    })
    return answer?.at === silent && answer.mapped !== undefined
  } finally {
    asker.close()
  }
}
