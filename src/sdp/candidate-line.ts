// One a=candidate line (RFC 8839 5.1, with tcptype of RFC 6544 4.5), read and written; and the lines of a peer, bounded.
// Malformed lines are dropped and counted; nothing here is fatal. Unknown extension attributes are passed over.
import { canonicalAddress, isHostName, isPort } from './addresses.ts'
import type { CandidateAttribute, SdpProblem } from './description.ts'

/** An agent pairs 100 at most (RFC 8445 6.1.2.5), so more candidates of a peer only cost. */
const maximumCandidates = 100
/** Longer than any candidate with a name and extensions. */
const maximumLineChars = 1024
/** RFC 8839 5.1: 1 to 32 ice-chars; pjnath and others use wider tokens. */
const foundationToken = /^[\x21-\x7e]{1,64}$/
const types: readonly string[] = ['host', 'srflx', 'prflx', 'relay']
const tcpTypes: readonly string[] = ['active', 'passive', 'so']
const attribute = 'a=candidate:'

/** The value of an a=candidate attribute; undefined where it is malformed. */
const readCandidate = (value: string): CandidateAttribute | undefined => {
  if (value.length > maximumLineChars) return undefined
  const words = value.trim().split(/[ \t]+/)
  const [foundation = '', component = '', transportText = '', priority = '', written = '', port = '', typ] =
    words
  const address = canonicalAddress(written) ?? (isHostName(written) ? written : undefined)
  const transport = transportText.toLowerCase()
  const type = (words[7] ?? '').toLowerCase()
  const wellFormed =
    foundationToken.test(foundation) &&
    isNumberIn(component, 1, 256) &&
    /^[a-z0-9-]{1,32}$/.test(transport) &&
    isNumberIn(priority, 0, 0xffff_ffff) &&
    isNumberIn(port, 0, 65_535) &&
    typ?.toLowerCase() === 'typ' &&
    types.includes(type)
  if (!wellFormed || address === undefined) return undefined
  const extensions = extensionsOf(words)
  const relatedAddress = canonicalAddress(extensions.get('raddr') ?? '')
  const relatedPort = numberOf(extensions.get('rport') ?? '')
  const tcpType = extensions.get('tcptype')?.toLowerCase() ?? ''
  return {
    foundation,
    component: Number(component),
    transport,
    priority: Number(priority),
    address,
    port: Number(port),
    type: type as CandidateAttribute['type'],
    ...(relatedAddress !== undefined && isPort(relatedPort)
      ? { related: { address: relatedAddress, port: relatedPort } }
      : {}),
    ...(transport === 'tcp' && tcpTypes.includes(tcpType)
      ? { tcpType: tcpType as NonNullable<CandidateAttribute['tcpType']> }
      : {}),
  }
}

/** Names and values after the type, in whatever order; the first of a name counts. */
const extensionsOf = (words: readonly string[]): Map<string, string> => {
  const extensions = new Map<string, string>()
  for (let i = 8; i + 1 < words.length; i += 2) {
    const name = words[i]!.toLowerCase()
    if (!extensions.has(name)) extensions.set(name, words[i + 1]!)
  }
  return extensions
}

const numberOf = (text: string): number | undefined => (/^\d{1,10}$/.test(text) ? Number(text) : undefined)
const isNumberIn = (text: string, from: number, to: number): boolean => {
  const value = numberOf(text)
  return value !== undefined && value >= from && value <= to
}

/** The value of the a=candidate attribute. */
export const writeCandidate = (c: CandidateAttribute): string =>
  `${c.foundation} ${c.component} ${c.transport.toUpperCase()} ${c.priority} ${c.address} ${c.port} typ ${c.type}` +
  (c.related ? ` raddr ${c.related.address} rport ${c.related.port}` : '') +
  (c.tcpType ? ` tcptype ${c.tcpType}` : '')

/** What the candidate takes in a description, with its line end. */
export const lineLengthBytes = (candidate: CandidateAttribute): number =>
  attribute.length + writeCandidate(candidate).length + 2

/** The candidates among the lines of an m-section: well-formed, each once, and no more than an agent can use. */
export const readCandidates = (lines: readonly string[], problems: SdpProblem[]): CandidateAttribute[] => {
  const candidates: CandidateAttribute[] = []
  const seen = new Set<string>()
  let malformed = 0
  let beyond = 0
  for (const line of lines) {
    if (!line.startsWith('a=candidate')) continue
    const candidate = line.startsWith(attribute) ? readCandidate(line.slice(attribute.length)) : undefined
    if (!candidate) {
      malformed++
      continue
    }
    const { component, transport, address, port, type, tcpType = '' } = candidate
    const key = `${component} ${transport} ${address} ${port} ${type} ${tcpType}`
    if (seen.has(key)) continue
    seen.add(key)
    if (candidates.length < maximumCandidates) candidates.push(candidate)
    else beyond++
  }
  if (malformed > 0)
    problems.push({ message: `${malformed} malformed candidate line(s) dropped`, section: 'RFC 8839 5.1' })
  if (beyond > 0)
    problems.push({
      message: `${beyond} candidate(s) beyond the first ${maximumCandidates} dropped`,
      section: 'RFC 8445 6.1.2.5',
    })
  return candidates
}
