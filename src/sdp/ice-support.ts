// Whether ICE can be used with a peer, judged from its description (RFC 8839 4.2.5).
import { isHostName, isLoopback, isUnspecified } from './addresses.ts'
import type { IceDescription, SdpProblem } from './description.ts'
import type { MediaSection } from './session-description.ts'

/** The port that stands for "no default yet" together with an unspecified address (RFC 8839 4.2.5). */
const discardPort = 9

/** The peer's default destination of RTP must be among its candidates, or ICE is given up with a mismatch. RTCP's is not
 *  looked at, against the RFC's letter: peers whose RTCP port alone does not fit lose more without ICE. An unspecified
 *  address or a name is no mismatch. No candidates at all mean no ICE, unless they are to trickle in or to be learned. */
export const iceSupport = (
  section: MediaSection,
  problems: SdpProblem[],
): { ice?: IceDescription; iceMismatch: boolean } => {
  const { ice, address, port } = section
  if (section.iceMismatch || !ice) return { iceMismatch: section.iceMismatch }
  const usable = { ice, iceMismatch: false }
  const candidates = ice.candidates.filter((c) => c.component === 1)
  const unspecified = address === undefined || isUnspecified(address)
  if (candidates.length === 0) {
    const later = ice.options.includes('trickle') || (unspecified && port === discardPort)
    return later ? usable : { iceMismatch: false }
  }
  if (unspecified || isHostName(address)) return usable
  if (candidates.some((c) => c.address === address && c.port === port)) return usable
  // A host whose own name leads to the loopback names that (Asterisk over WebSocket); its candidates know better.
  if (isLoopback(address) && candidates.some((c) => c.port === port)) return usable
  problems.push({
    message: `the default destination ${address} port ${port} is not among the ${candidates.length} candidate(s)`,
    section: 'RFC 8839 4.2.5',
  })
  return { iceMismatch: true }
}
