// Where the servers of a SIP domain are (RFC 3263 4), for the doctor: what NAPTR and SRV name, each told with the time it took, and
// the places to ask, as a call would choose them. Without such records: the domain's addresses, over UDP and TCP.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis, NaptrRecord, SrvRecord } from '../runtime/runtime.ts'
import { defaultPorts, isProtocol, isSecure, type Protocol } from '../sip/flow.ts'
import { isIpLiteral } from '../sip/grammar.ts'
import { hasNoServices, orderSrv, type Service, servicesOf, srvService } from '../sip/service-order.ts'
import type { SipUri } from '../sip/uri.ts'
import { type Kit, probeLimitMs } from './kit.ts'
import type { Names } from './names.ts'

export interface SipPlace {
  readonly protocol: Protocol
  readonly address: TransportAddress
}

export interface SipServices {
  readonly naptr: readonly NaptrRecord[]
  readonly srv: readonly { readonly owner: string; readonly records: readonly SrvRecord[] }[]
  readonly afterMs: Millis
  /** Why a question has no answer, one sentence. */
  readonly failure?: string
}

export interface SipPlaces {
  /** Best first. */
  readonly places: readonly SipPlace[]
  /** Absent where the URI says itself what they would tell. */
  readonly services?: SipServices
  /** What a call would use. */
  readonly protocol: Protocol
  /** The names whose addresses were asked for. */
  readonly names: readonly string[]
}

/** A line each. */
const maximumPlaces = 6

export async function sipPlaces(
  kit: Kit,
  names: Names,
  uri: SipUri,
  onePerFamily: (addresses: readonly string[]) => string[],
): Promise<SipPlaces> {
  const host = uri.params.get('maddr') ?? uri.host
  const named = protocolOf(uri)
  const services =
    uri.port !== undefined || isIpLiteral(host) || hasNoServices(host)
      ? undefined
      : await askServices(kit, host, named ? [named] : uri.scheme === 'sips' ? ['tls'] : ['udp', 'tcp'])
  const asked = new Set<string>()
  const addressesOf = async (name: string): Promise<string[]> => {
    asked.add(name)
    return onePerFamily(await names.resolve(name).catch((): string[] => []))
  }
  const places: SipPlace[] = []
  for (const { protocol, owner } of services?.used ?? []) {
    const records = services?.told.srv.find((asked) => asked.owner === owner)?.records ?? []
    for (const { target, port } of orderSrv(records, () => 0.5))
      for (const address of await addressesOf(target)) places.push({ protocol, address: { address, port } })
  }
  const [first] = places
  const found = (protocol: Protocol): SipPlaces => ({
    places: places.slice(0, maximumPlaces),
    ...(services && { services: services.told }),
    protocol,
    names: [...asked],
  })
  if (first) return found(first.protocol)
  const protocol = named ?? (uri.scheme === 'sips' ? 'tls' : 'udp')
  const tried: readonly Protocol[] = protocol === 'udp' || protocol === 'tcp' ? ['udp', 'tcp'] : [protocol]
  for (const address of await addressesOf(host))
    for (const each of tried)
      places.push({ protocol: each, address: { address, port: uri.port ?? defaultPorts[each] } })
  return found(protocol)
}

function protocolOf({ scheme, params }: SipUri): Protocol | undefined {
  const said = params.get('transport')?.toLowerCase()
  if (said === undefined || !isProtocol(said)) return undefined
  if (scheme === 'sip' || isSecure(said)) return said
  return said === 'ws' ? 'wss' : 'tls'
}

/** All at once: whoever asks waits. */
async function askServices(
  kit: Kit,
  host: string,
  own: readonly Protocol[],
): Promise<{ told: SipServices; used: Service[] }> {
  const { network, clock } = kit
  const startedAt = clock.now()
  let failure: string | undefined
  const ask = async <T>(what: string, answer: Promise<T[]>): Promise<T[]> => {
    try {
      const records = await kit.within(probeLimitMs, answer)
      if (!records)
        failure ??= `no answer about ${what} within ${probeLimitMs / 1000} s: check the DNS server`
      return records ?? []
    } catch (error) {
      failure ??= error instanceof Error ? error.message : String(error)
      return []
    }
  }
  const usual = own.map((protocol) => srvService(protocol, host))
  const srvOf = async ({ owner }: Service) => ({
    owner,
    records: await ask(owner, network.resolveSrv(owner)),
  })
  const [naptr, ...first] = await Promise.all([ask(host, network.resolveNaptr(host)), ...usual.map(srvOf)])
  const isSips = own.every(isSecure)
  const named = servicesOf(naptr, (protocol) => !isSips || isSecure(protocol))
  const used = own.length > 1 || isSips ? (named.length > 0 ? named : usual) : usual
  const others = used.filter(({ owner }) => !first.some((asked) => asked.owner === owner))
  const srv = [...first, ...(await Promise.all(others.map(srvOf)))]
  const told = { naptr, srv, afterMs: clock.now() - startedAt, ...(failure !== undefined && { failure }) }
  return { told, used }
}
