// How the network maps and filters UDP, in the words of RFC 4787, by the tests of RFC 5780 (4.3 mapping, 4.4 filtering). Each is
// made twice from ports of its own; loss can only make a filter look stricter, a lucky port a mapping look simpler, so the
// milder filter and the stricter mapping count. Without a server of two addresses more is "unknown", never guessed.
import { addressFamily, sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import { change, discoveryAttribute } from '../stun/numbers.ts'
import type { Kit } from './kit.ts'
import { type Answer, StunSocket, silenceTiming } from './stun-socket.ts'

type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

/** "none": the server sees the very address that we send from. "address-dependent or stricter": two addresses saw two ports, and
 *  no address could be asked at two ports. */
export type Mapping = 'none' | Dependence | 'address-dependent or stricter' | 'unknown'
export type Filtering = Dependence | 'unknown'

export interface NatBehaviour {
  mapping: Mapping
  filtering: Filtering
  /** Outside ports are those inside. */
  portsKept: boolean
  /** How the servers see us, each address once. */
  outside: string[]
  inside: string
}

/** A server that has answered already, and how long that took. */
export interface KnownServer {
  address: TransportAddress
  other?: TransportAddress
  rttMs: Millis
}

/** Who saw a socket, and as what. */
export interface Sighting {
  by: TransportAddress
  as: TransportAddress
}

const rounds = 2

const strictness: readonly Mapping[] = [
  'unknown',
  'none',
  'endpoint-independent',
  'address-dependent',
  'address-dependent or stricter',
  'address-and-port-dependent',
]
const mildness: readonly Filtering[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'unknown',
]
const last = <T>(order: readonly T[], a: T, b: T): T => (order.indexOf(a) > order.indexOf(b) ? a : b)
const first = <T>(order: readonly T[], a: T, b: T): T => (order.indexOf(a) < order.indexOf(b) ? a : b)

/** RFC 5780 4.3, for any number of servers and ports. */
export function mappingOf(local: TransportAddress, sightings: readonly Sighting[]): Mapping {
  if (sightings.length === 0) return 'unknown'
  if (sightings.every(({ as }) => sameAddress(as, local))) return 'none'
  const pairs = sightings.flatMap((a, i) => sightings.slice(i + 1).map((b) => [a, b] as const))
  const differ = ([a, b]: readonly [Sighting, Sighting]): boolean => !sameAddress(a.as, b.as)
  const samePlace = pairs.filter(([a, b]) => a.by.address === b.by.address && a.by.port !== b.by.port)
  const elsewhere = pairs.filter(([a, b]) => a.by.address !== b.by.address)
  if (samePlace.some(differ)) return 'address-and-port-dependent'
  if (elsewhere.some(differ))
    return samePlace.length > 0 ? 'address-dependent' : 'address-dependent or stricter'
  return elsewhere.length > 0 ? 'endpoint-independent' : 'unknown'
}

/** @param servers at least one, all of one address family; the tests of filtering are made with the first that can */
export async function natBehaviour(kit: Kit, servers: readonly KnownServer[]): Promise<NatBehaviour> {
  const tester = servers.find(({ address, other }) => other && canTest(address, other))
  const mappings = Array.from({ length: rounds }, () => testMapping(kit, servers))
  const filterings = Array.from({ length: rounds }, () =>
    tester ? testFiltering(kit, tester) : Promise.resolve<Filtering>('unknown'),
  )
  const seen = await Promise.all(mappings)
  const found = (await Promise.all(filterings)).reduce((a, b) => first(mildness, a, b))
  const sightings = seen.flatMap((one) => one.sightings)
  // Silence of the other address means something only where that address is there.
  const otherIsThere = sightings.some(({ by }) => by.address === tester?.other?.address)
  return {
    mapping: seen
      .map(({ local, sightings: own }) => mappingOf(local, own))
      .reduce((a, b) => last(strictness, a, b)),
    filtering: found === 'endpoint-independent' || otherIsThere ? found : 'unknown',
    portsKept: seen.every(({ local, sightings: own }) => own.every(({ as }) => as.port === local.port)),
    outside: [...new Set(sightings.map(({ as }) => as.address))],
    inside: seen[0]!.local.address,
  }
}

/** A server of one address that names its other port is no help. */
const canTest = (address: TransportAddress, other: TransportAddress): boolean =>
  addressFamily(address.address) === addressFamily(other.address) &&
  address.address !== other.address &&
  address.port !== other.port

async function testMapping(
  kit: Kit,
  servers: readonly KnownServer[],
): Promise<{ local: TransportAddress; sightings: Sighting[] }> {
  const socket = await StunSocket.open(kit, servers[0]!.address)
  try {
    const places = servers.flatMap(({ address, other, rttMs }) => {
      const all =
        other && canTest(address, other)
          ? [address, { address: other.address, port: address.port }, other]
          : [address]
      return all.map((place) => ({ place, rttMs }))
    })
    const answers = await Promise.all(
      places.map(async ({ place, rttMs }) => {
        const answer = await socket.ask(place, { timing: silenceTiming(rttMs) })
        return answer?.mapped && { by: place, as: answer.mapped }
      }),
    )
    return { local: socket.local, sightings: answers.filter((one) => one !== undefined) }
  } finally {
    socket.close()
  }
}

/** Each question from a socket of its own: what one has opened must not help the other. */
async function testFiltering(kit: Kit, { address, other, rttMs }: KnownServer): Promise<Filtering> {
  const askFrom = async (flags: number): Promise<Answer | undefined> => {
    const socket = await StunSocket.open(kit, address)
    try {
      return await socket.ask(address, {
        fill: (writer) => writer.uint32(discoveryAttribute.changeRequest, flags),
        timing: silenceTiming(rttMs),
      })
    } finally {
      socket.close()
    }
  }
  const [fromAnywhere, fromOtherPort] = await Promise.all([
    askFrom(change.address | change.port),
    askFrom(change.port),
  ])
  // An error, or an answer from where it was not asked to come from: the server does not do this.
  const isRight = (answer: Answer | undefined, from: TransportAddress): boolean =>
    answer === undefined || (answer.mapped !== undefined && sameAddress(answer.from, from))
  if (
    !isRight(fromAnywhere, other!) ||
    !isRight(fromOtherPort, { address: address.address, port: other!.port })
  )
    return 'unknown'
  if (fromAnywhere) return 'endpoint-independent'
  return fromOtherPort ? 'address-dependent' : 'address-and-port-dependent'
}
