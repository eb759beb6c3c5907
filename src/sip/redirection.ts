// Who is called next where a call is redirected (RFC 3261 8.1.3.4, 19.1.5): the contacts of 3xx responses by their q, one after the
// other, each once, up to a limit. Of a contact its place alone counts: headers that it would put into our INVITE are left out.
// Not followed: 380, other schemes, sip: for a sips: call, methods other than INVITE.
import { hostOf } from './digest.ts'
import type { NameAddr } from './header-values.ts'
import type { SipResponse } from './message.ts'
import { formatUri, parseUri } from './uri.ts'

export interface NextTarget {
  /** The Request-URI. */
  readonly uri: string
  /** RFC 3261 21.3.4: the proxy that the same call must go through. */
  readonly proxy?: string
  /** The 3xx that named it. */
  readonly status: number
}

/** Of one response; more is no list of places where one person is. */
const maximumContacts = 10

export class Redirection {
  private readonly tried = new Set<string>()
  private readonly pending: NextTarget[] = []
  private left: number

  /** @param limit how many may be followed, in all */
  constructor(
    private readonly target: string,
    limit: number,
  ) {
    this.left = limit
    this.tried.add(placeOf(target))
  }

  /** After a final response that is none of success: who is called next; undefined where the call has failed. */
  next(response: SipResponse, present: string): NextTarget | undefined {
    const { status } = response
    // RFC 3261 16.7: 6xx ends the search. A challenge that came up to here could not be answered by others either.
    if (status >= 600) return undefined
    if (status >= 300 && status < 400 && status !== 380) this.add(response, present)
    while (this.left > 0) {
      const next = this.pending.shift()
      if (!next) return undefined
      const place = placeOf(next.uri) + placeOf(next.proxy ?? '')
      if (this.tried.has(place)) continue
      this.tried.add(place)
      this.left--
      return next
    }
    return undefined
  }

  /** What the new ones lead to comes before what the earlier ones left. */
  private add(response: SipResponse, present: string): void {
    const { status } = response
    const contacts = response
      .nameAddrs('Contact')
      .slice(0, maximumContacts)
      .map((contact) => ({ uri: usable(contact, this.target), q: preference(contact) }))
      .sort((a, b) => b.q - a.q)
      .flatMap(({ uri }) => uri ?? [])
    const targets = contacts.map(
      (uri): NextTarget => (status === 305 ? { uri: present, proxy: uri, status } : { uri, status }),
    )
    this.pending.unshift(...targets)
  }
}

/** Whether credentials may be shown there: only where they belong, or who redirects us could collect them. */
export const isAtHome = (target: string, aor: string): boolean => hostOf(target) === hostOf(aor)

/** As thousandths; 1 where nothing is said (RFC 3261 20.10). */
function preference({ params }: NameAddr): number {
  const text = params.get('q') ?? '1'
  return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Math.round(Number(text) * 1000) : 0
}

function usable({ uri }: NameAddr, original: string): string | undefined {
  if (uri.kind !== 'sip') return undefined
  if (uri.scheme !== 'sips' && /^sips:/i.test(original)) return undefined
  if ((uri.params.get('method') ?? 'INVITE').toUpperCase() !== 'INVITE') return undefined
  const { headers: _, ...bare } = uri
  const params = new Map([...uri.params].filter(([name]) => name !== 'method'))
  return formatUri({ ...bare, params })
}

/** What two URIs that lead to the same place share. */
function placeOf(text: string): string {
  const uri = parseUri(text)
  if (uri?.kind !== 'sip') return text
  const { scheme, user = '', host, port = '' } = uri
  const transport = uri.params.get('transport')?.toLowerCase() ?? ''
  return `${scheme}:${user}@${host}:${port};${transport};${uri.params.get('maddr') ?? ''}`
}
