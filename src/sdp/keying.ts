// The attributes that give SRTP its keys: a=crypto (RFC 4568), a=fingerprint (RFC 8122) and a=setup (RFC 4145, RFC 5763); and what
// an offer and an answer of them add up to, in secure profiles and, opportunistically, in plain ones (RFC 8643).
// Leaves out tls-id (RFC 8842), several keys in one line, and the session parameters that weaken SRTP (RFC 4568 6.3).
import type {
  CryptoAttribute,
  FingerprintAttribute,
  LocalKeying,
  NegotiatedKeying,
  SdpProblem,
} from './description.ts'

export type Setup = 'actpass' | 'active' | 'passive' | 'holdconn'

/** What one side says. */
export interface KeyingDescription {
  cryptos: CryptoAttribute[]
  fingerprints: FingerprintAttribute[]
  setup?: Setup
}

/** The profiles that mean SRTP by their name, and how they get keys. */
const sdesProfiles: readonly string[] = ['RTP/SAVP', 'RTP/SAVPF']
const dtlsProfiles: readonly string[] = ['UDP/TLS/RTP/SAVP', 'UDP/TLS/RTP/SAVPF']
export const secureProfiles: readonly string[] = [...sdesProfiles, ...dtlsProfiles]

const maximumCryptos = 32
const maximumFingerprints = 8
/** Of certificates; md2, md5 and sha-1 can be forged. */
const strongHashes: readonly string[] = ['sha-256', 'sha-384', 'sha-512']
/** RFC 4568 6.1. */
const longestMkiBytes = 128

export const readKeying = (
  own: readonly string[],
  head: readonly string[],
  problems: SdpProblem[],
): KeyingDescription => {
  const values = (lines: readonly string[], name: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`a=${name}:`) ? [line.slice(name.length + 3).trim()] : []))
  const inherited = (name: string): string[] => {
    const found = values(own, name)
    return found.length > 0 ? found : values(head, name)
  }
  const cryptos = values(own, 'crypto')
    .slice(0, maximumCryptos)
    .flatMap((value) => {
      const crypto = readCrypto(value)
      if (typeof crypto !== 'string') return [crypto]
      problems.push({ message: `a=crypto ${crypto}`, section: 'RFC 4568 9.1' })
      return []
    })
  const fingerprints = inherited('fingerprint')
    .slice(0, maximumFingerprints)
    .flatMap((value) => {
      const [, algorithm, digits] = /^(\S{1,16})\s+((?:[0-9a-f]{2}:)+[0-9a-f]{2})$/i.exec(value) ?? []
      if (algorithm && digits && strongHashes.includes(algorithm.toLowerCase()))
        return [{ algorithm: algorithm.toLowerCase(), value: digits.toUpperCase() }]
      const what = digits ? `is by ${algorithm}, which vouches for nothing` : 'is malformed'
      problems.push({ message: `a=fingerprint ${what}`, section: 'RFC 8122 5' })
      return []
    })
  const setup = inherited('setup')[0]?.toLowerCase()
  return { cryptos, fingerprints, ...(isSetup(setup) && { setup }) }
}

const isSetup = (text: string | undefined): text is Setup =>
  text === 'actpass' || text === 'active' || text === 'passive' || text === 'holdconn'

/** In words why not, where it cannot be used. */
function readCrypto(value: string): CryptoAttribute | string {
  const [tag, suite, parameters = '', ...session] = value.split(/\s+/)
  if (!tag || !/^\d{1,9}$/.test(tag) || !suite) return 'is malformed'
  // What leaves packets in the clear, or asks for more than everybody has.
  // Extensions with a dash before them may be passed over (6.3.7).
  const odd = session.find((word) => !/^(KDR=0|WSH=\d+|-\S+)$/i.test(word))
  if (odd !== undefined) return `has the session parameter ${odd.slice(0, 40)}, which is not spoken here`
  if (parameters.includes(';')) return 'has several keys'
  const [method, ...rest] = parameters.split('|')
  const inline = /^inline:([A-Za-z0-9+/]{4,120}={0,2})$/i.exec(method ?? '')
  if (!inline) return 'has no inline key'
  const identifier = rest.map((word) => /^(\d{1,39}):(\d{1,3})$/.exec(word)).find((found) => found)
  const lengthBytes = Number(identifier?.[2] ?? 0)
  if (lengthBytes > longestMkiBytes) return 'has too long a key identifier'
  const mki = Buffer.alloc(lengthBytes)
  const digits = BigInt(identifier?.[1] ?? 0).toString(16)
  const octets = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  if (octets.length > Math.max(1, lengthBytes)) return 'has a key identifier that is longer than it says'
  mki.set(octets.subarray(0, lengthBytes), Math.max(0, lengthBytes - octets.length))
  return {
    tag: Number(tag),
    suite: suite.toUpperCase(),
    key: Buffer.from(inline[1]!, 'base64'),
    ...(lengthBytes > 0 && { mki }),
  }
}

/** As attributes, without their "a=". */
export const writeKeying = ({ cryptos, fingerprints, setup }: KeyingDescription): { value: string }[] => [
  ...cryptos.map(({ tag, suite, key }) => ({
    value: `crypto:${tag} ${suite} inline:${Buffer.from(key).toString('base64')}`,
  })),
  ...fingerprints.map(({ algorithm, value }) => ({ value: `fingerprint:${algorithm} ${value}` })),
  ...(setup ? [{ value: `setup:${setup}` }] : []),
]

/** What our keys take of an offer. */
export const keyingLengthBytes = (local: LocalKeying | undefined): number =>
  writeKeying(offeredKeying(local)).reduce((sum, { value }) => sum + value.length + 'a=\r\n'.length, 0)

// ── offer and answer ─────────────────────────────────────────────────────────────────────────────

/** The profile of a first offer. */
export const offeredProfile = (local: LocalKeying | undefined): string => {
  if (!local?.required) return 'RTP/AVP'
  return local.offersDtls ? 'UDP/TLS/RTP/SAVP' : 'RTP/SAVP'
}

/** RFC 5763 5: who offers leaves the roles to the answer. */
export const offeredKeying = (local: LocalKeying | undefined): KeyingDescription => ({
  cryptos: local && local.offered > 0 ? local.cryptos.slice(0, local.offered) : [],
  fingerprints: local?.offersDtls && local.dtls ? [local.dtls.fingerprint] : [],
  ...(local?.offersDtls && { setup: 'actpass' as const }),
})

interface Section {
  readonly protocol: string
  readonly keying: KeyingDescription
}

/** How we answer an offer; undefined where in the clear. Undefined keying of ours refuses nothing that `whyUnkeyed` lets pass. */
export const answerKeying = (
  { protocol, keying }: Section,
  local: LocalKeying | undefined,
): { negotiated: NegotiatedKeying; text: KeyingDescription } | undefined => {
  if (!local) return undefined
  const { fingerprints, setup } = keying
  if (local.dtls && fingerprints.length > 0 && setup !== 'holdconn') {
    const role =
      setup === 'active' ? 'server' : setup === 'passive' ? 'client' : (local.dtls.role ?? 'client')
    return {
      negotiated: { type: 'dtls', role, fingerprints },
      text: {
        cryptos: [],
        fingerprints: [local.dtls.fingerprint],
        setup: role === 'client' ? 'active' : 'passive',
      },
    }
  }
  if (dtlsProfiles.includes(protocol)) return undefined
  // RFC 4568 5.1.2: the first of the offer's that we can do.
  for (const remote of keying.cryptos) {
    const own = local.cryptos.find(
      (one) => one.suite === remote.suite && one.key.length === remote.key.length,
    )
    if (!own) continue
    const answered = { ...own, tag: remote.tag }
    return {
      negotiated: { type: 'sdes', suite: own.suite, local: answered, remote },
      text: { cryptos: [answered], fingerprints: [] },
    }
  }
  return undefined
}

/** What our offer and the peer's answer add up to; undefined where in the clear. */
export const agreedKeying = (offered: Section, answered: Section): NegotiatedKeying | undefined => {
  const { fingerprints, setup, cryptos } = answered.keying
  if (offered.keying.fingerprints.length > 0 && fingerprints.length > 0)
    return { type: 'dtls', role: setup === 'active' ? 'server' : 'client', fingerprints }
  for (const remote of cryptos) {
    const own = offered.keying.cryptos.find((one) => one.tag === remote.tag && one.suite === remote.suite)
    if (own && own.key.length === remote.key.length)
      return { type: 'sdes', suite: own.suite, local: own, remote }
  }
  return undefined
}

/** Why a section cannot be used for the sake of its keys; undefined where it can. @param found what was agreed on */
export const whyUnkeyed = (
  { protocol, keying }: Section,
  local: LocalKeying | undefined,
  found: NegotiatedKeying | undefined,
): string | undefined => {
  if (found) return undefined
  if (!secureProfiles.includes(protocol))
    return local?.required ? 'the audio is not encrypted, and this phone requires SRTP' : undefined
  if (!local) return `the audio uses ${protocol}, and SRTP is switched off here`
  const suites = keying.cryptos.map(({ suite }) => suite.slice(0, 40)).join(', ')
  if (suites) return `the audio is encrypted with ${suites}, which is not spoken here`
  return `the audio uses ${protocol} and brings no key that can be used here`
}
