// application/trickle-ice-sdpfrag (RFC 8840 9): candidates of one generation that come after the description, with the
// credentials that say which generation it is, under a pseudo m-line and the mid of the real one.
// Read tolerantly: any m-line, credentials at either level, several sections; what cannot be read is passed over and told of.
import { writeCandidate } from './candidate-line.ts'
import type { CandidateAttribute, SdpProblem } from './description.ts'
import { readIce } from './ice-attributes.ts'

export const fragmentType = 'application/trickle-ice-sdpfrag'

export interface LocalFragment {
  ufrag: string
  pwd: string
  /** a=mid of the m-line in our description. */
  mid: string
  /** All of this generation that have been told in INFO so far and the new ones: an INFO that is lost or late then costs
   *  nothing (RFC 8840 4.4). */
  candidates: readonly CandidateAttribute[]
  endOfCandidates: boolean
  /** "audio 9 RTP/AVP 0" where absent. */
  mLine?: string
}

export interface FragmentSection {
  ufrag: string
  pwd: string
  mid?: string
  /** "audio" */
  media?: string
  candidates: CandidateAttribute[]
  endOfCandidates: boolean
}

export interface Fragment {
  /** Those that say which generation they belong to; one without an m-line where candidates stand at the session level. */
  sections: FragmentSection[]
  problems: SdpProblem[]
}

/** As much as a datagram holds; a peer has no use for more. */
const maximumLengthChars = 65_535
const maximumSections = 64

export const writeFragment = (fragment: LocalFragment): string =>
  [
    `a=ice-ufrag:${fragment.ufrag}`,
    `a=ice-pwd:${fragment.pwd}`,
    `m=${fragment.mLine ?? 'audio 9 RTP/AVP 0'}`,
    `a=mid:${fragment.mid}`,
    ...fragment.candidates.map((candidate) => `a=candidate:${writeCandidate(candidate)}`),
    ...(fragment.endOfCandidates ? ['a=end-of-candidates'] : []),
    '',
  ].join('\r\n')

/** Never throws: a fragment that holds nothing of use has no sections. */
export const readFragment = (text: string): Fragment => {
  const problems: SdpProblem[] = []
  if (text.length > maximumLengthChars) {
    problems.push({ message: `the fragment is ${text.length} characters long`, section: 'RFC 8840 9.2' })
    return { sections: [], problems }
  }
  const lines = text.split(/\r\n|\r|\n/)
  const starts = lines.flatMap((line, i) => (line.startsWith('m=') ? [i] : [])).slice(0, maximumSections)
  const head = lines.slice(0, starts[0])
  const blocks = starts.length === 0 ? [[]] : starts.map((start, i) => lines.slice(start, starts[i + 1]))
  const sections = blocks.flatMap((own) => readSection(own, head, problems) ?? [])
  if (sections.length === 0 && problems.length === 0)
    problems.push({ message: 'the fragment holds no ICE credentials', section: 'RFC 8840 9.2' })
  return { sections, problems }
}

const readSection = (
  own: readonly string[],
  head: readonly string[],
  problems: SdpProblem[],
): FragmentSection | undefined => {
  const ice = readIce(own, head, problems)
  if (!ice) return undefined
  const media = /^m=(\S{1,64})/.exec(own[0] ?? '')?.[1]
  const mid = own
    .find((line) => line.startsWith('a=mid:'))
    ?.slice('a=mid:'.length)
    .trim()
  return {
    ufrag: ice.ufrag,
    pwd: ice.pwd,
    ...(mid === undefined ? {} : { mid }),
    ...(media === undefined ? {} : { media }),
    candidates: ice.candidates,
    endOfCandidates: ice.endOfCandidates ?? false,
  }
}
