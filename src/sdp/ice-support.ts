// Whether ICE can be used with a peer, judged from its description (RFC 8839 4.2.5).
import { isHostName, isUnspecified } from './addresses.ts'
import type { IceDescription, SdpProblem } from './description.ts'
import type { MediaSection } from './session-description.ts'

/** Verifying ICE support (RFC 8839 4.2.5): the default destination must be among the candidates. Only RTP's is looked
 *  at: peers whose RTCP port alone does not fit lose more by giving ICE up. An unspecified address or a name is no
 *  mismatch, and no candidates at all means no ICE unless they are to trickle in. */
export const iceSupport = (
  section: MediaSection,
  problems: SdpProblem[],
): { ice?: IceDescription; iceMismatch: boolean } => {
  const { ice, address, port } = section
  if (section.iceMismatch || !ice) return { iceMismatch: section.iceMismatch }
  const open = address === undefined || isUnspecified(address) || isHostName(address)
  const component1 = ice.candidates.filter((c) => c.component === 1)
  if (component1.length === 0 && !ice.options.includes('trickle')) return { iceMismatch: false }
  if (open || component1.length === 0) return { ice, iceMismatch: false }
  if (component1.some((c) => c.address === address && c.port === port)) return { ice, iceMismatch: false }
  problems.push({
    message: `the default destination ${address} port ${port} is not among the ${component1.length} candidate(s)`,
    section: 'RFC 8839 4.2.5',
  })
  return { iceMismatch: true }
}
