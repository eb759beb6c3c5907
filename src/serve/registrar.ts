// A registrar's memory and rules (RFC 3261 10.3): bindings of users to contacts, with expiry, 423, order by CSeq, wildcard
// removal; flows of one device by instance and number (RFC 5626 6). Users are told apart by the user part of the To URI alone.
// Leaves out: Path, GRUU, q values.
import type { Millis } from '../runtime/runtime.ts'
import { type Flow, isWebSocket } from '../sip/flow.ts'
import { quote } from '../sip/grammar.ts'
import type { NameAddr } from '../sip/header-values.ts'
import type { SipRequest } from '../sip/message.ts'
import { decodedUser } from '../sip/uri.ts'

/** RFC 3261 10.2: what a REGISTER without an expiry asks for, in seconds. */
const defaultExpiresSeconds = 3_600
const maximumExpiresSeconds = 86_400
const maximumBindingsPerUser = 16
const maximumUsers = 10_000

export interface Binding {
  readonly user: string
  /** As registered, without brackets. */
  readonly contact: string
  readonly expiresAt: Millis
  /** How the REGISTER came: behind a NAT the only way back. */
  readonly flow: Flow
  readonly callId: string
  readonly cseq: number
  /** RFC 5626: which flow of which device, as header parameters; absent where the phone does not do that. */
  readonly outbound?: string
}

export interface RegisterAnswer {
  readonly status: number
  readonly reason: string
  readonly headers: readonly [name: string, value: string][]
}

export class Registrar {
  private readonly bindings = new Map<string, Binding[]>()

  /** @param minimumExpiresSeconds a shorter wish is answered 423
   *  @param longestExpiresSeconds a longer wish is cut down to it (RFC 3261 10.3 step 7) */
  constructor(
    private readonly minimumExpiresSeconds: number,
    private readonly longestExpiresSeconds = maximumExpiresSeconds,
  ) {}

  /** The user has registered before, now or then. */
  knows(user: string): boolean {
    return this.bindings.has(user)
  }

  /** The valid binding that was made or refreshed last. */
  newest(now: Millis, user: string): Binding | undefined {
    return this.valid(now, user).at(-1)
  }

  /** The valid binding whose contact is this URI; in a dialog, whose contact it is but for port and parameters. Undefined where
   *  several users have it, as phones behind different NATs may: nobody can say then which of them is meant. */
  byContact(now: Millis, uriText: string, inDialog = false): Binding | undefined {
    // Phones add parameters to the contact that they register; and in a dialog over TCP they name another port.
    for (const essence of inDialog ? [withoutParameters, withoutPort] : [(text: string) => text]) {
      const wanted = essence(uriText)
      const found = this.all(now).filter(({ contact }) => essence(contact) === wanted)
      if (found.length > 0) return found.length === 1 ? found[0] : undefined
    }
    return undefined
  }

  all(now: Millis): Binding[] {
    return [...this.bindings.keys()].flatMap((user) => this.valid(now, user))
  }

  /** A REGISTER whose sender is who it says. */
  register(now: Millis, request: SipRequest, user: string, flow: Flow): RegisterAnswer {
    const current = this.valid(now, user)
    const lines = request.list('Contact')
    const headerExpires = request.number('Expires') ?? defaultExpiresSeconds
    const { callId } = request
    const cseq = request.cseq.sequence
    // RFC 3261 10.3 step 7; an equal CSeq is a retransmission and gets the same answer.
    if (current.some((binding) => binding.callId === callId && binding.cseq > cseq))
      return refusal(500, 'Out of Order')
    if (lines.includes('*')) {
      if (lines.length > 1 || request.number('Expires') !== 0) return refusal(400, 'Bad Wildcard Contact')
      this.store(user, [])
      return this.accepted(now, user)
    }
    let next = current
    // RFC 5626 6: from the phone itself, so that its flow is the one that the request came over.
    const direct = request.hasToken('Supported', 'outbound') && request.lines('Via').length === 1
    for (const contact of request.nameAddrs('Contact')) {
      const seconds = Math.min(wishedSeconds(contact) ?? headerExpires, this.longestExpiresSeconds)
      if (seconds > 0 && seconds < this.minimumExpiresSeconds)
        return {
          status: 423,
          reason: 'Interval Too Brief',
          headers: [['Min-Expires', String(this.minimumExpiresSeconds)]],
        }
      const outbound = direct ? flowNumber(contact) : undefined
      next = next.filter(
        (binding) =>
          binding.contact !== contact.uriText &&
          (outbound === undefined || binding.outbound !== outbound || seconds === 0),
      )
      if (seconds === 0) continue
      const expiresAt = now + seconds * 1_000
      const made = { user, contact: contact.uriText, expiresAt, flow, callId, cseq }
      next = [...next, outbound === undefined ? made : { ...made, outbound }]
    }
    if (next.length > maximumBindingsPerUser || (!this.knows(user) && this.bindings.size >= maximumUsers))
      return refusal(503, 'Too Many Bindings')
    if (lines.length > 0) this.store(user, next)
    const kept = next.some(({ callId: other, outbound }) => other === callId && outbound !== undefined)
    return this.accepted(now, user, kept ? [['Require', 'outbound']] : [])
  }

  private store(user: string, bindings: Binding[]): void {
    this.bindings.set(user, bindings)
  }

  private valid(now: Millis, user: string): Binding[] {
    return (this.bindings.get(user) ?? []).filter(
      // A WebSocket is the only way to its client (RFC 7118 5): with it the binding is gone.
      ({ expiresAt, flow }) => expiresAt > now && (flow.open || !isWebSocket(flow.protocol)),
    )
  }

  /** 200 lists every binding with what is left of it (RFC 3261 10.3 step 8). */
  private accepted(now: Millis, user: string, more: RegisterAnswer['headers'] = []): RegisterAnswer {
    const headers = this.valid(now, user).map((binding): [string, string] => [
      'Contact',
      `<${binding.contact}>${binding.outbound ?? ''};expires=${Math.ceil((binding.expiresAt - now) / 1_000)}`,
    ])
    return { status: 200, reason: 'OK', headers: [...headers, ...more] }
  }
}

const refusal = (status: number, reason: string): RegisterAnswer => ({ status, reason, headers: [] })

const withoutParameters = (uriText: string): string => uriText.replace(/[;?].*$/s, '')
const withoutPort = (uriText: string): string => withoutParameters(uriText).replace(/:\d+$/, '')

function wishedSeconds(contact: NameAddr): number | undefined {
  const text = contact.params.get('expires')
  return text != null && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

/** RFC 5626 4.2: instance and number of a flow, as they are echoed. */
function flowNumber({ params }: NameAddr): string | undefined {
  const instance = params.get('+sip.instance')
  const regId = params.get('reg-id')
  if (instance == null || regId == null || !/^\d{1,10}$/.test(regId)) return undefined
  return `;+sip.instance=${quote(instance)};reg-id=${regId}`
}

/** The user an address of record names; undefined where there is none. */
export function userOf(address: NameAddr): string | undefined {
  return address.uri.kind === 'sip' ? decodedUser(address.uri) : undefined
}
