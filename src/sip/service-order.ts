// The order in which records of a name server are to be used: SRV by priority and, within one, by chance in proportion to weight
// (RFC 2782); NAPTR by order and preference, those alone that name a transport we have (RFC 3263 4.1, RFC 7118 8.1).
import { createHash } from 'node:crypto'
import type { NaptrRecord, SrvRecord } from '../runtime/runtime.ts'
import type { Protocol } from './flow.ts'

/** Uniform in [0, 1). */
export type Draw = () => number

/** Every record once; none where the only one says that the service is not offered. */
export function orderSrv(records: readonly SrvRecord[], draw: Draw): SrvRecord[] {
  const offered = records.filter(({ target }) => target !== '.' && target !== '')
  const priorities = [...new Set(offered.map(({ priority }) => priority))].sort((a, b) => a - b)
  return priorities.flatMap((priority) =>
    byWeight(
      offered.filter((record) => record.priority === priority),
      draw,
    ),
  )
}

/** RFC 2782, "Weight": those without weight stand first, so that they are drawn by a zero alone. */
function byWeight(records: readonly SrvRecord[], draw: Draw): SrvRecord[] {
  const left = [...records].sort((a, b) => Math.sign(a.weight) - Math.sign(b.weight))
  const ordered: SrvRecord[] = []
  while (left.length > 0) {
    const sum = left.reduce((total, { weight }) => total + weight, 0)
    ordered.push(...left.splice(sum === 0 ? Math.floor(draw() * left.length) : drawn(left, sum * draw()), 1))
  }
  return ordered
}

function drawn(records: readonly SrvRecord[], number: number): number {
  let running = 0
  return records.findIndex(({ weight }) => {
    running += weight
    return running >= number
  })
}

/** The same numbers for the same text: requests of one dialog then choose the same server (RFC 3263 4.2 asks it of those of one
 *  transaction), and of many dialogs each chooses as weights have it. */
export function drawnFrom(text: string): Draw {
  let round = 0
  return () => createHash('sha256').update(`${text} ${round++}`).digest().readUIntBE(0, 6) / 2 ** 48
}

/** RFC 3263 4.1 and RFC 7118 8.1, IANA "SIP Table" of services. */
const protocolOfService: Readonly<Record<string, Protocol>> = {
  'SIP+D2U': 'udp',
  'SIP+D2T': 'tcp',
  'SIPS+D2T': 'tls',
  'SIP+D2W': 'ws',
  'SIPS+D2W': 'wss',
}

/** Where SRV records are looked for, and what they are about. */
export interface Service {
  readonly protocol: Protocol
  /** "_sip._udp.example.com". */
  readonly owner: string
}

/** @param usable which transports we have, and may use for this URI */
export function servicesOf(
  records: readonly NaptrRecord[],
  usable: (protocol: Protocol) => boolean,
): Service[] {
  return [...records]
    .sort((a, b) => a.order - b.order || a.preference - b.preference)
    .flatMap(({ service, flags, replacement }) => {
      const protocol = protocolOfService[service.toUpperCase()]
      // RFC 3263 4.1: only the flag "s" is used, so that a replacement is the owner of SRV records.
      return protocol && usable(protocol) && flags.toLowerCase() === 's'
        ? [{ protocol, owner: replacement }]
        : []
    })
}

/** Names of this machine, of this link, of a hosts file and of nothing: no name server knows services of theirs (RFC 6761 6,
 *  RFC 6762 3). */
export const hasNoServices = (host: string): boolean =>
  !host.includes('.') || /\.(localhost|local|invalid)\.?$/.test(host)

/** RFC 3263 4.2, RFC 7118 8.1. */
const labels: Readonly<Record<Protocol, string>> = {
  udp: '_sip._udp',
  tcp: '_sip._tcp',
  tls: '_sips._tcp',
  ws: '_sip._ws',
  wss: '_sips._ws',
}

export const srvService = (protocol: Protocol, host: string): Service => ({
  protocol,
  owner: `${labels[protocol]}.${host}`,
})
