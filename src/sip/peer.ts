// What the peer's messages say of it, for people to read: who it is, who sent the call here, why it ended. RFC 3325 (asserted
// identity, believed from the account's own server alone), RFC 5806 (Diversion), RFC 7044 (History-Info), RFC 3326 (Reason),
// RFC 5373 and the usual Call-Info and Alert-Info (answer by itself), RFC 5009 (early media). All of it is claims: nothing is
// done because of it here.
import { quote } from './grammar.ts'
import { type NameAddr, parseNameAddr } from './header-values.ts'
import type { SipMessage } from './message.ts'

/** Somebody, as a header names them. */
export interface Party {
  uri: string
  displayName?: string
}

/** One station that the call has been sent on from, the last one first. */
export interface Diversion extends Party {
  /** "no-answer", "user-busy", "unconditional" ... */
  reason?: string
}

/** One place that the call has been sent to, the first one first. */
export interface HistoryEntry extends Party {
  /** "1.2": where it stands in the tree of retargetings. */
  index?: string
  /** What ended the try there: "SIP;cause=302". */
  reason?: string
}

export interface Reason {
  /** "SIP", "Q.850" ... */
  protocol: string
  cause?: number
  text?: string
}

export interface Peer extends Party {
  /** Who it is, by the word of the account's own server. */
  asserted?: Party
  diversion?: Diversion[]
  history?: HistoryEntry[]
  /** Why it has ended or refused the call. */
  reason?: Reason[]
  userAgent?: string
  /** It asks that the call be answered by itself, after so long. */
  autoAnswerAfterMs?: number
  /** Whether the network lets early media through: "sendrecv", "inactive" ... */
  earlyMedia?: string
}

/** Of each list: what a chain of exchanges writes is shorter. */
const maximumEntries = 20
/** Longer waits are none. */
const longestAutoAnswerSeconds = 3_600

/** Adds what a message says. @param trusted it comes from the account's own server */
export function learnPeer(peer: Peer, message: SipMessage, trusted: boolean): void {
  const userAgent = message.get('User-Agent') ?? message.get('Server')
  if (userAgent !== undefined) peer.userAgent = shown(userAgent)
  const [asserted] = trusted ? message.nameAddrs('P-Asserted-Identity') : []
  if (asserted) peer.asserted = partyOf(asserted)
  const diversion = named(message, 'Diversion').map(({ party, params }) =>
    withReason(party, params.get('reason')),
  )
  if (diversion.length > 0) peer.diversion = diversion
  const history = named(message, 'History-Info').map(historyEntry)
  if (history.length > 0) peer.history = history
  const reason = reasonsOf(message)
  if (reason.length > 0) peer.reason = reason
  const earlyMedia = message.get('P-Early-Media')
  if (earlyMedia !== undefined) peer.earlyMedia = shown(earlyMedia)
  const seconds = autoAnswerSeconds(message)
  if (seconds !== undefined) peer.autoAnswerAfterMs = 1_000 * Math.min(seconds, longestAutoAnswerSeconds)
}

/** RFC 3326. */
const reasonsOf = (message: SipMessage): Reason[] =>
  message
    .list('Reason')
    .slice(0, maximumEntries)
    .flatMap((value) => {
      const [protocol] = /^[\w.+-]+/.exec(value.trim()) ?? []
      const cause = /;\s*cause\s*=\s*(\d{1,5})/i.exec(value)?.[1]
      const text = /;\s*text\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(value)
      const words = (text?.[1] ?? text?.[2])?.replace(/\\(.)/g, '$1')
      if (protocol === undefined) return []
      return [
        {
          protocol,
          ...(cause !== undefined && { cause: Number(cause) }),
          ...(words !== undefined && { text: shown(words) }),
        },
      ]
    })

/** What a BYE or CANCEL of ours says. */
export const formatReason = (reason?: { status?: number; text?: string }): string | undefined =>
  reason?.status ? `SIP;cause=${reason.status}${reason.text ? `;text=${quote(reason.text)}` : ''}` : undefined

/** A quoted pair may hold any character; people are shown this. */
export const shown = (text: string): string => text.replace(/\p{Cc}/gu, ' ').slice(0, 200)

const partyOf = ({ uriText, displayName }: NameAddr): Party => ({
  uri: shown(uriText),
  ...(displayName && { displayName: shown(displayName) }),
})

const named = (message: SipMessage, name: string): { party: Party; params: NameAddr['params'] }[] =>
  message
    .list(name)
    .slice(0, maximumEntries)
    .flatMap((value) => {
      const address = parseNameAddr(value)
      return address ? [{ party: partyOf(address), params: address.params }] : []
    })

const withReason = (party: Party, reason: string | null | undefined): Diversion => ({
  ...party,
  ...(reason && { reason: shown(reason) }),
})

/** RFC 7044 5: the Reason of an entry is a header of its URI, escaped. */
const historyEntry = ({ party, params }: { party: Party; params: NameAddr['params'] }): HistoryEntry => {
  const [uri = '', headers = ''] = party.uri.split('?', 2)
  const escaped = /(?:^|&)Reason=([^&]*)/i.exec(headers)?.[1]
  const index = params.get('index')
  return {
    ...withReason({ ...party, uri }, escaped && unescaped(escaped)),
    ...(index && { index: shown(index) }),
  }
}

const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const autoAnswerSeconds = (message: SipMessage): number | undefined => {
  for (const value of message.list('Call-Info')) {
    const [, after] = /;\s*answer-after\s*=\s*"?(\d{1,5})/i.exec(value) ?? []
    if (after !== undefined) return Number(after)
  }
  for (const value of message.list('Alert-Info'))
    if (/;\s*info\s*=\s*"?alert-autoanswer/i.test(value))
      return Number(/;\s*delay\s*=\s*"?(\d{1,5})/i.exec(value)?.[1] ?? 0)
  const mode = message.get('Answer-Mode') ?? message.get('Priv-Answer-Mode')
  return /^\s*auto\b/i.test(mode ?? '') ? 0 : undefined
}
