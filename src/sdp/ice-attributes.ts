// ICE attributes of a description (RFC 8839 5): read from what sdp-transform makes of the lines, and written back.
// Malformed candidate lines are dropped and counted; nothing here is fatal.
import type { MediaDescription, SessionDescription } from 'sdp-transform'
import { canonicalAddress, isHostName, isPort } from './addresses.ts'
import type { CandidateAttribute, IceDescription, SdpProblem } from './description.ts'

/** An agent pairs 100 at most (RFC 8445 6.1.2.5), so more candidates of a peer only cost. */
const maximumCandidates = 100
/** RFC 8839 5.4: 4 to 256 and 22 to 256 ice-chars. Shorter and odder ones are let pass: the check itself will tell. */
const iceToken = /^[^\s:]{1,256}$/
const types: readonly string[] = ['host', 'srflx', 'prflx', 'relay']
/** RFC 8839 5.1: 1 to 32 ice-chars; pjnath and others use wider tokens. */
const foundationToken = /^[\x21-\x7e]{1,64}$/

type Attributes = MediaDescription & Pick<Partial<SessionDescription>, 'icelite'>
type CandidateLine = NonNullable<MediaDescription['candidates']>[number]

/** Undefined where the m-line (or the session above it) has no credentials. */
export const readIce = (
  media: Attributes,
  session: Attributes,
  options: string[],
  problems: SdpProblem[],
): IceDescription | undefined => {
  const ufrag = media.iceUfrag ?? session.iceUfrag
  const pwd = media.icePwd ?? session.icePwd
  if (ufrag === undefined && pwd === undefined) return undefined
  // sdp-transform turns digits into numbers; String() gives back exactly what was written.
  const credentials = { ufrag: String(ufrag ?? ''), pwd: String(pwd ?? '') }
  if (!iceToken.test(credentials.ufrag) || !iceToken.test(credentials.pwd)) {
    problems.push({ message: 'ice-ufrag or ice-pwd is missing or malformed', section: 'RFC 8839 5.4' })
    return undefined
  }
  const lines = media.candidates ?? session.candidates ?? []
  const candidates: CandidateAttribute[] = []
  const seen = new Set<string>()
  let malformed = (media.invalid ?? []).filter((line) => /^candidate\b/.test(String(line.value))).length
  let beyond = 0
  for (const line of lines) {
    const candidate = readCandidate(line)
    if (!candidate) {
      malformed++
      continue
    }
    const key = `${candidate.component} ${candidate.transport} ${candidate.address} ${candidate.port} ${candidate.type}`
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
  const remoteCandidates = readRemoteCandidates(media.remoteCandidates)
  return {
    ...credentials,
    lite: (media.icelite ?? session.icelite) !== undefined,
    options,
    candidates,
    ...(remoteCandidates.length > 0 ? { remoteCandidates } : {}),
  }
}

const readCandidate = (line: CandidateLine): CandidateAttribute | undefined => {
  const written = String(line.ip)
  const address = canonicalAddress(written) ?? (isHostName(written) ? written : undefined)
  const foundation = String(line.foundation)
  const type = String(line.type).toLowerCase()
  const transport = String(line.transport).toLowerCase()
  const wellFormed =
    foundationToken.test(foundation) &&
    isIntegerIn(line.component, 1, 256) &&
    /^[a-z0-9-]{1,32}$/.test(transport) &&
    isIntegerIn(line.priority, 0, 0xffff_ffff) &&
    isPort(line.port) &&
    types.includes(type)
  if (!wellFormed || address === undefined) return undefined
  const relatedAddress = line.raddr === undefined ? undefined : canonicalAddress(String(line.raddr))
  return {
    foundation,
    component: line.component,
    transport,
    priority: line.priority,
    address,
    port: line.port,
    type: type as CandidateAttribute['type'],
    ...(relatedAddress !== undefined && isPort(line.rport)
      ? { related: { address: relatedAddress, port: line.rport } }
      : {}),
  }
}

const isIntegerIn = (value: unknown, from: number, to: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to

/** a=remote-candidates:1 192.0.2.3 45664 2 192.0.2.3 45665 */
const readRemoteCandidates = (value: unknown): NonNullable<IceDescription['remoteCandidates']> => {
  const words = value === undefined ? [] : String(value).trim().split(/\s+/)
  const list: NonNullable<IceDescription['remoteCandidates']> = []
  for (let i = 0; i + 2 < words.length && list.length < 256; i += 3) {
    const component = Number(words[i])
    const address = canonicalAddress(words[i + 1]!)
    const port = Number(words[i + 2])
    if (!isIntegerIn(component, 1, 256) || address === undefined || !isPort(port)) return []
    list.push({ component, address, port })
  }
  return list
}

/** The attributes of our m-line. `ice-lite` and `ice-options` go to the session level. */
export const writeIce = (ice: IceDescription, rtcpMuxAgreed: boolean): Partial<MediaDescription> => {
  const candidates = ice.candidates
    .filter((c) => c.component === 1 || !rtcpMuxAgreed)
    .map((c) => ({
      foundation: c.foundation,
      component: c.component,
      transport: c.transport.toUpperCase(),
      priority: c.priority,
      ip: c.address,
      port: c.port,
      type: c.type,
      ...(c.related ? { raddr: c.related.address, rport: c.related.port } : {}),
    }))
  const remote = (ice.remoteCandidates ?? []).filter((c) => c.component === 1 || !rtcpMuxAgreed)
  return {
    iceUfrag: ice.ufrag,
    icePwd: ice.pwd,
    candidates,
    ...(remote.length > 0
      ? { remoteCandidates: remote.map((c) => `${c.component} ${c.address} ${c.port}`).join(' ') }
      : {}),
  }
}
