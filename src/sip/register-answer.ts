// What a registrar says in a 200 to REGISTER: how long, under which contacts, and what else it offers. RFC 3261 10.3, RFC 3608
// (Service-Route), RFC 5626 (outbound, Flow-Timer), RFC 5627 (GRUU), RFC 6223 (keep), RFC 7315 4.1 (P-Associated-URI).
import { parseNumber } from './grammar.ts'
import type { NameAddr } from './header-values.ts'
import type { SipResponse } from './message.ts'
import { maximumExpiresSeconds } from './refresh-schedule.ts'

/** A keep-alive rarer than this keeps nothing alive, and a server that asks for more often than each second is not believed. */
const keepAliveSeconds = { shortest: 5, longest: 3_600 } as const
/** Routes and identities that are taken: a request of ours has to fit into a datagram. */
const maximumRoutes = 8
const maximumIdentities = 16

export interface RegisterAnswer {
  /** 0: the registrar keeps no binding of ours. */
  readonly expiresSeconds: number
  /** Our Contact URI as the registrar lists it; absent where it lists none. */
  readonly contact?: string
  /** Contact URIs of the same instance that are not the one just registered: what an earlier address, or a crash, left behind. */
  readonly left: readonly string[]
  /** The registrar keeps flows (RFC 5626 6): several may be registered, and requests come back over them. */
  readonly outbound: boolean
  /** How often the server wants to hear from us. */
  readonly keepAliveSeconds?: number
  readonly serviceRoutes: readonly string[]
  /** URIs that calls for us may be addressed to. */
  readonly identities: readonly string[]
  readonly gruu?: { readonly public?: string; readonly temporary?: string }
}

export interface OwnBinding {
  /** The Contact URI as it was sent. */
  readonly contact: string
  readonly user: string | undefined
  /** URI parameter of our contacts. */
  readonly rinstance: string
  /** "urn:uuid:..." */
  readonly instanceId: string
  /** Contact URIs that we have registered before. */
  readonly earlier: ReadonlySet<string>
}

export function readRegisterAnswer(wire: SipResponse, own: OwnBinding, askedSeconds: number): RegisterAnswer {
  const contacts = wire.nameAddrs('Contact')
  const ours = ownAmong(contacts, own)
  const granted =
    parseNumber(ours?.params.get('expires') ?? '', 2 ** 32 - 1) ?? wire.number('Expires') ?? askedSeconds
  const left = contacts.filter((contact) => contact !== ours && isOfInstance(contact, own))
  const keepAlive = [
    wire.number('Flow-Timer'),
    parseNumber(wire.topVia.params.get('keep') ?? '', 2 ** 32 - 1),
  ]
  const asked = keepAlive.find(
    (seconds) =>
      seconds !== undefined && seconds >= keepAliveSeconds.shortest && seconds <= keepAliveSeconds.longest,
  )
  const gruu = ours && gruuOf(ours)
  return {
    expiresSeconds: Math.min(granted, maximumExpiresSeconds),
    ...(ours && { contact: ours.uriText }),
    left: left.map(({ uriText }) => uriText),
    outbound: wire.hasToken('Require', 'outbound'),
    ...(asked !== undefined && { keepAliveSeconds: asked }),
    serviceRoutes: wire.nameAddrs('Service-Route').slice(0, maximumRoutes).map(bracketed),
    identities: wire
      .nameAddrs('P-Associated-URI')
      .slice(0, maximumIdentities)
      .map(({ uriText }) => uriText),
    ...(gruu && { gruu }),
  }
}

const bracketed = ({ uriText }: NameAddr): string => `<${uriText}>`

/** As it was sent; else by our parameter; where the registrar rewrote the Contact, by user, the one that lasts longest, which is
 *  the newest. */
function ownAmong(contacts: NameAddr[], own: OwnBinding): NameAddr | undefined {
  const expiry = ({ params }: NameAddr): number => Number(params.get('expires') ?? 0)
  const lasting = (among: NameAddr[]): NameAddr | undefined => among.sort((a, b) => expiry(b) - expiry(a))[0]
  const sameUser = ({ uri }: NameAddr): boolean => uri.kind === 'sip' && uri.user === own.user
  return (
    contacts.find(({ uriText }) => uriText === own.contact) ??
    lasting(contacts.filter((contact) => hasParameter(contact, own))) ??
    lasting(contacts.filter(sameUser)) ??
    lasting([...contacts])
  )
}

const hasParameter = ({ uri }: NameAddr, { rinstance }: OwnBinding): boolean =>
  uri.kind === 'sip' && uri.params.get('rinstance') === rinstance

const isOfInstance = (contact: NameAddr, own: OwnBinding): boolean =>
  own.earlier.has(contact.uriText) ||
  hasParameter(contact, own) ||
  contact.params.get('+sip.instance') === `<${own.instanceId}>`

/** RFC 5627 4.2: both stand in the Contact of our instance. */
function gruuOf({ params }: NameAddr): RegisterAnswer['gruu'] {
  const temporary = usableUri(params.get('temp-gruu'))
  const known = usableUri(params.get('pub-gruu'))
  if (temporary === undefined && known === undefined) return undefined
  return { ...(known !== undefined && { public: known }), ...(temporary !== undefined && { temporary }) }
}

/** It becomes a line of ours. */
const usableUri = (text: string | null | undefined): string | undefined =>
  text != null && /^sips?:[^\s<>"]+$/i.test(text) ? text : undefined
