// A call that hides who places it (RFC 3323, RFC 3325): an anonymous From and Contact, and the identity for the account's own
// server alone. What the network hides beyond that is its affair.
import { UsageError } from '../errors.ts'
import type { Identity } from './agent-context.ts'
import { quote } from './grammar.ts'
import { type PrivacyLevel, privacyLevels } from './session.ts'
import { contactUri } from './sipjs-core.ts'

/** Throws UsageError for what is no list of them. */
export function checkPrivacy(privacy: readonly PrivacyLevel[]): void {
  const unknown = privacy.find((level) => !privacyLevels.includes(level))
  if (unknown !== undefined)
    throw new UsageError(`The privacy "${unknown}" is unknown: use ${privacyLevels.join(', ')}.`)
  if (privacy.includes('none') && privacy.length > 1)
    throw new UsageError('The privacy "none" stands alone: leave the others out.')
}

/** Who the call is placed as. */
export function withPrivacy(identity: Identity, privacy: readonly PrivacyLevel[] | undefined): Identity {
  if (!privacy || privacy.length === 0 || privacy.includes('none')) return identity
  return {
    ...identity,
    uri: 'sip:anonymous@anonymous.invalid',
    displayName: 'Anonymous',
    user: 'anonymous',
    contact: identity.anonymousContact ?? contactUri('anonymous'),
  }
}

/** @param identity whose the call is; its own server may be told, nobody else */
export function privacyHeaders(identity: Identity, privacy: readonly PrivacyLevel[] | undefined): string[] {
  if (!privacy || privacy.length === 0) return []
  const name = identity.displayName ? `${quote(identity.displayName)} ` : ''
  const header = `Privacy: ${privacy.join(';')}`
  return identity.hop && !privacy.includes('none')
    ? [header, `P-Preferred-Identity: ${name}<${identity.uri}>`]
    : [header]
}
