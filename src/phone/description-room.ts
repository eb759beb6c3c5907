// What a description can say so that its message stays one datagram (RFC 3261 18.1.1): which candidates, and whether it asks for
// extended reports (RFC 3611), which are of use but not needed.
import type { TransportAddress } from '../runtime/address.ts'
import { withinBudget } from '../sdp/candidate-budget.ts'
import type { CandidateAttribute, CodecDescription, LocalKeying } from '../sdp/description.ts'
import { keyingLengthBytes } from '../sdp/keying.ts'
import { extendedReportsLengthBytes } from '../sdp/rtcp-attributes.ts'
import { codecsLengthBytes } from '../sdp/writing.ts'
import { defaults } from './options.ts'

export interface DescriptionKind {
  /** A response need only be one packet. */
  answering: boolean
  /** Of the first there are no routes yet. */
  first: boolean
  keying: LocalKeying | undefined
  codecs: readonly CodecDescription[]
  /** Of a request without anything else. */
  budgetBytes: number
}

/**
 * The candidates that there is room for, the one at `rtp` in any case, and whether extended reports are asked for: they go before
 * candidates over TCP, and behind others.
 * @param asks as it was settled before
 */
export function nameCandidates(
  candidates: readonly CandidateAttribute[],
  kind: DescriptionKind,
  rtp: TransportAddress,
  asks: boolean | undefined,
): { candidates: CandidateAttribute[]; asks: boolean } {
  const room = roomBytes(kind)
  // With relays it is more, because one must be told.
  const forRelays =
    !kind.answering && candidates.some(({ type }) => type === 'relay') ? defaults.relayBudgetBytes : 0
  const most = withinBudget(candidates, room + forRelays, rtp)
  if (asks === false) return { candidates: most, asks }
  const fewer = withinBudget(candidates, room - extendedReportsLengthBytes, rtp)
  const settled = asks ?? overUdp(fewer) === overUdp(most)
  return { candidates: settled ? fewer : most, asks: settled }
}

const overUdp = (candidates: readonly CandidateAttribute[]): number =>
  candidates.filter(({ transport }) => transport === 'udp').length

const roomBytes = ({ answering, first, keying, codecs, budgetBytes }: DescriptionKind): number =>
  answering
    ? defaults.answerBudgetBytes
    : budgetBytes - (first ? 0 : defaults.dialogBytes) - keyingLengthBytes(keying) - codecsLengthBytes(codecs)
