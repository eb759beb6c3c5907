// IP addresses between their text and their octets: IPv4 dotted quads and IPv6 (RFC 4291 2.2), printed as RFC 5952 says.
// Two texts of one address become equal here, so that tables keyed by text work. Zones ("%eth0") are not addresses.
import type { TransportAddress } from '../runtime/address.ts'

/** 4 or 16 octets, or undefined where the text is no IP literal. IPv4-mapped IPv6 becomes the IPv4 address it stands for. */
export function parseIp(text: string): Uint8Array | undefined {
  const octets = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  return octets?.length === 16 && isIpv4Mapped(octets) ? octets.subarray(12) : octets
}

/** @param octets 4 or 16 */
export function formatIp(octets: Uint8Array): string {
  if (octets.length === 4) return `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}`
  if (isIpv4Mapped(octets)) return formatIp(octets.subarray(12))
  const groups = Array.from({ length: 8 }, (_, i) => (octets[2 * i]! << 8) | octets[2 * i + 1]!)
  const zeros = longestZeroRun(groups)
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':')
  if (zeros.length < 2) return hex(groups)
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`
}

/** The one text of an address that `formatIp` prints, or undefined where it is no IP literal (a host name, an mDNS name). */
export function canonicalIp(text: string): string | undefined {
  const octets = parseIp(text)
  // A dotted quad has no other text.
  return octets && (text.includes(':') ? formatIp(octets) : text)
}

/** Whether one host can have it: not unspecified ("0.0.0.0", "::"), multicast, broadcast or reserved (RFC 6890, RFC 4291 2.4). */
export function isUnicast(text: string): boolean {
  const octets = parseIp(text)
  if (!octets) return false
  if (octets.length === 4) return octets[0]! > 0 && octets[0]! < 224
  return octets[0] !== 0xff && octets.some((octet) => octet !== 0)
}

/** The same of an address that a server names: with a port that can be sent to. */
export const isUsable = ({ address, port }: TransportAddress): boolean => port > 0 && isUnicast(address)

/** Runs for every packet that arrives, so without splitting. */
function parseIpv4(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(4)
  let at = 0
  for (let i = 0; i < 4; i++) {
    const start = at
    let value = 0
    for (; isDigit(text.charCodeAt(at)) && at - start < 3; at++)
      value = 10 * value + text.charCodeAt(at) - zero
    const leadingZero = at - start > 1 && text.charCodeAt(start) === zero
    if (at === start || value > 255 || leadingZero) return undefined
    octets[i] = value
    if (i < 3 && text[at++] !== '.') return undefined
  }
  return at === text.length ? octets : undefined
}

const zero = 48
const isDigit = (code: number): boolean => code >= zero && code < zero + 10

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (!head || !tail) return undefined
  const missing = 16 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail])
}

/** @param last a dotted quad may stand at the very end of an address */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const octets: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    if (last && i === groups.length - 1 && group.includes('.')) {
      const quad = parseIpv4(group)
      if (!quad) return undefined
      octets.push(...quad)
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined
      const value = Number.parseInt(group, 16)
      octets.push(value >> 8, value & 0xff)
    }
  }
  return octets.length <= 16 ? octets : undefined
}

const isIpv4Mapped = (octets: Uint8Array): boolean =>
  octets[10] === 0xff && octets[11] === 0xff && octets.subarray(0, 10).every((octet) => octet === 0)

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}
