// Which candidates a description names when it must stay small: a UDP request above 1300 bytes is fragmented or dropped
// (RFC 3261 18.1.1). The best of each kind goes first, so that what is cut is the least likely to be needed.
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import { isHostName } from './addresses.ts'
import { lineLengthBytes } from './candidate-line.ts'
import type { CandidateAttribute } from './description.ts'

/** The components of one address, which are of use together only. */
interface Group {
  candidates: CandidateAttribute[]
  lengthBytes: number
}

/** The candidates that fit into so many bytes, in their old order. First the one at `required` (the default destination, which
 *  must be named: RFC 8839 4.2.5), whatever it takes; then UDP before TCP, the best of each type and family before the
 *  second best. Components of one candidate are kept or left out together. */
export const withinBudget = (
  candidates: readonly CandidateAttribute[],
  budgetBytes: number,
  required?: TransportAddress,
): CandidateAttribute[] => {
  const isRequired = ({ candidates }: Group): boolean =>
    candidates.some((c) => c.address === required?.address && c.port === required.port)
  const groups = groupsOf(candidates)
  const kept = new Set<CandidateAttribute>()
  let leftBytes = budgetBytes
  const keep = (group: Group): void => {
    for (const candidate of group.candidates) kept.add(candidate)
    leftBytes -= group.lengthBytes
  }
  const first = groups.find(isRequired)
  if (first) keep(first)
  for (const group of ranked(groups)) if (group !== first && group.lengthBytes <= leftBytes) keep(group)
  return candidates.filter((candidate) => kept.has(candidate))
}

/** Components that share what RFC 8445 5.1.1.3 makes a foundation of, and the address. */
const groupsOf = (candidates: readonly CandidateAttribute[]): Group[] => {
  const groups = new Map<string, Group[]>()
  const all: Group[] = []
  for (const candidate of candidates) {
    const { foundation, transport, tcpType = '', type, address, component } = candidate
    const key = `${foundation} ${transport} ${tcpType} ${type} ${address}`
    const lengthBytes = lineLengthBytes(candidate)
    const alike = groups.get(key) ?? []
    groups.set(key, alike)
    const group = alike.find((other) => !other.candidates.some((c) => c.component === component))
    if (group) {
      group.candidates.push(candidate)
      group.lengthBytes += lengthBytes
      continue
    }
    const opened = { candidates: [candidate], lengthBytes }
    alike.push(opened)
    all.push(opened)
  }
  return all
}

/** UDP before TCP; within a transport the best of each type and family, then the second best of each, and so on. */
const ranked = (groups: readonly Group[]): Group[] => {
  const priority = ({ candidates }: Group): number => Math.max(...candidates.map((c) => c.priority))
  const places = new Map<string, number>()
  return [...groups]
    .sort((a, b) => priority(b) - priority(a))
    .map((group) => {
      const { transport, type, address } = group.candidates[0]!
      const family = isHostName(address) ? 'name' : addressFamily(address)
      const kind = `${transport} ${type} ${family}`
      const place = places.get(kind) ?? 0
      places.set(kind, place + 1)
      return { group, place, later: transport === 'udp' ? 0 : 1 }
    })
    .sort((a, b) => a.later - b.later || a.place - b.place)
    .map(({ group }) => group)
}
