// ICE attributes of a description (RFC 8839 5, RFC 8840 4.4): read from its lines, and written back. Nothing here is fatal.
// Read here and not by sdp-transform, whose grammar loses ice-options after the first, ice-pacing, and tcptype behind others.
import type { MediaDescription, SessionDescription } from 'sdp-transform'
import { canonicalAddress, isPort } from './addresses.ts'
import { readCandidates, writeCandidate } from './candidate-line.ts'
import type { IceDescription, SdpProblem } from './description.ts'

/** RFC 8839 5.4: 4 to 256 and 22 to 256 ice-chars. Shorter and odder ones are let pass: the check itself will tell. */
const iceToken = /^[^\s:]{1,256}$/
/** A lower value would be the default of RFC 8445 14.2 anyway, a higher one is no pacing but a standstill. */
const pacingRangeMs = { from: 1, to: 60_000 }
const maximumOptions = 16

/** Undefined where neither the m-section nor the session above it has credentials.
 *  @param own the lines of the m-section
 *  @param head the lines of the session level */
export const readIce = (
  own: readonly string[],
  head: readonly string[],
  problems: SdpProblem[],
): IceDescription | undefined => {
  const inherited = (name: string): string | undefined => attributeOf(own, name) ?? attributeOf(head, name)
  const ufrag = inherited('ice-ufrag')
  const pwd = inherited('ice-pwd')
  if (ufrag === undefined && pwd === undefined) return undefined
  const credentials = { ufrag: ufrag ?? '', pwd: pwd ?? '' }
  if (!iceToken.test(credentials.ufrag) || !iceToken.test(credentials.pwd)) {
    problems.push({ message: 'ice-ufrag or ice-pwd is missing or malformed', section: 'RFC 8839 5.4' })
    return undefined
  }
  const ownCandidates = own.some((line) => line.startsWith('a=candidate'))
  const pacingMs = Number(attributeOf(head, 'ice-pacing') ?? Number.NaN)
  const remoteCandidates = readRemoteCandidates(attributeOf(own, 'remote-candidates'))
  return {
    ...credentials,
    lite: hasFlag(head, 'ice-lite') || hasFlag(own, 'ice-lite'),
    options: (inherited('ice-options') ?? '')
      .split(' ')
      .filter((tag) => tag !== '')
      .slice(0, maximumOptions),
    candidates: readCandidates(ownCandidates ? own : head, problems),
    ...(hasFlag(own, 'end-of-candidates') || hasFlag(head, 'end-of-candidates')
      ? { endOfCandidates: true }
      : {}),
    ...(Number.isInteger(pacingMs) && pacingMs >= pacingRangeMs.from && pacingMs <= pacingRangeMs.to
      ? { pacingMs }
      : {}),
    ...(remoteCandidates.length > 0 ? { remoteCandidates } : {}),
  }
}

/** The value of the first attribute of that name. */
const attributeOf = (lines: readonly string[], name: string): string | undefined => {
  const start = `a=${name}:`
  return lines
    .find((line) => line.startsWith(start))
    ?.slice(start.length)
    .trim()
}

/** Whether there is such an attribute without a value. */
export const hasFlag = (lines: readonly string[], name: string): boolean => {
  const attribute = `a=${name}`
  return lines.some((line) => line.trimEnd() === attribute)
}

/** a=remote-candidates:1 192.0.2.3 45664 2 192.0.2.3 45665 */
const readRemoteCandidates = (value: string | undefined): NonNullable<IceDescription['remoteCandidates']> => {
  const words = value === undefined ? [] : value.split(/\s+/)
  const list: NonNullable<IceDescription['remoteCandidates']> = []
  for (let i = 0; i + 2 < words.length && list.length < 256; i += 3) {
    const component = Number(words[i])
    const address = canonicalAddress(words[i + 1]!)
    const port = Number(words[i + 2])
    const isComponent = Number.isInteger(component) && component >= 1 && component <= 256
    if (!isComponent || address === undefined || !isPort(port)) return []
    list.push({ component, address, port })
  }
  return list
}

/** The attributes of our m-line. */
export const writeIce = (
  ice: IceDescription,
  { offer, onlyComponent1 }: { offer: boolean; onlyComponent1: boolean },
): Partial<MediaDescription> => {
  const written = (component: number): boolean => component === 1 || !onlyComponent1
  const remote = (offer && ice.remoteCandidates ? ice.remoteCandidates : []).filter((c) =>
    written(c.component),
  )
  return {
    iceUfrag: ice.ufrag,
    icePwd: ice.pwd,
    ...(remote.length > 0
      ? { remoteCandidates: remote.map((c) => `${c.component} ${c.address} ${c.port}`).join(' ') }
      : {}),
    // Under this name sdp-transform writes an attribute as it is given.
    invalid: [
      ...ice.candidates
        .filter((c) => written(c.component))
        .map((c) => ({ value: `candidate:${writeCandidate(c)}` })),
      ...(ice.endOfCandidates ? [{ value: 'end-of-candidates' }] : []),
    ],
  }
}

/** The attributes that belong to the session level. */
export const writeSessionIce = (ice: IceDescription): Partial<SessionDescription> => ({
  ...(ice.lite ? { icelite: 'ice-lite' } : {}),
  ...(ice.options.length > 0 ? { iceOptions: ice.options.join(' ') } : {}),
  ...(ice.pacingMs === undefined ? {} : { invalid: [{ value: `ice-pacing:${ice.pacingMs}` }] }),
})
