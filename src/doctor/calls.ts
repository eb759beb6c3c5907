// What all findings together mean for calls. What a mapping and a filter mean is RFC 5128's: two ends meet directly unless one
// maps by destination while the other filters by port.
import type { Protocol } from '../sip/flow.ts'
import type { TurnTransport } from '../turn/server.ts'
import type { Finding } from './finding.ts'
import type { Filtering, Mapping } from './nat-behaviour.ts'

/** With whom a direct path exists: with every peer; with all but those who map by destination; with few; nobody can tell. */
export type Reach = 'all' | 'most' | 'few' | 'unknown'

export function reachOf(mapping: Mapping, filtering: Filtering): Reach {
  if (mapping === 'unknown') return 'unknown'
  if (mapping !== 'none' && mapping !== 'endpoint-independent') return 'few'
  return filtering === 'endpoint-independent' || filtering === 'address-dependent' ? 'all' : 'most'
}

/** In one sentence.
 *  @param hasTurn a TURN server was given already */
export function directFinding(mapping: Mapping, filtering: Filtering, hasTurn: boolean): Finding {
  const reach = reachOf(mapping, filtering)
  const about = 'direct'
  const data = { reach }
  switch (reach) {
    case 'all':
      return { about, mark: 'ok', fact: 'with every peer that UDP reaches', data }
    case 'most':
      return {
        about,
        mark: 'ok',
        fact: 'with all peers but those whose NAT maps by destination (symmetric)',
        data,
      }
    case 'few':
      return {
        about,
        mark: 'warning',
        fact:
          filtering === 'endpoint-independent' || filtering === 'address-dependent'
            ? 'only with peers whose filter does not look at ports'
            : 'only with peers whose NAT maps alike for all and whose filter does not look at ports',
        ...(hasTurn ? {} : { fix: 'give a TURN server for the others: --turn USER@HOST' }),
        data,
      }
    case 'unknown':
      return { about, mark: 'unknown', fact: 'nobody can tell with whom', data }
  }
}

export interface Circumstances {
  hasAddress: boolean
  /** Of the SIP server, where one was named: over which protocol floe would speak to it, and what answers. */
  sip?: { name: string; isKnown: boolean; protocol: string; answers: readonly Protocol[] }
  /** Servers asked for a mapped or relayed address, those over UDP, and of the latter those that answered. */
  mediaServers: number
  udpAnswers: number
  reach: Reach
  /** A TURN server was named. */
  hasTurn: boolean
  /** Transports over which a relay was had. */
  relays: readonly TurnTransport[]
}

/** What keeps every call with these settings from working. */
export type Prevented = 'network' | 'signalling' | 'media'

const order: readonly TurnTransport[] = ['udp', 'tcp', 'tls']

/** Where `data.prevented` is there, no call with these settings can work. */
export function callsFinding({
  hasAddress,
  sip,
  mediaServers,
  udpAnswers,
  reach,
  hasTurn,
  relays,
}: Circumstances): Finding {
  const about = 'calls'
  const prevented = (what: Prevented, fact: string, fix: string): Finding => ({
    about,
    mark: 'problem',
    fact: `cannot be made: ${fact}`,
    fix,
    data: { prevented: what },
  })
  if (!hasAddress) return prevented('network', 'this machine is in no network', 'connect it to one')
  if (sip && !sip.isKnown)
    return prevented('signalling', `${sip.name} has no address`, 'see the line about DNS above')
  if (sip && !sip.answers.some((protocol) => protocol === sip.protocol)) {
    const [other] = sip.answers
    return prevented(
      'signalling',
      `${sip.name} does not answer SIP over ${sip.protocol.toUpperCase()}`,
      other
        ? `it answers over ${other.toUpperCase()}: use --transport ${other}`
        : 'see the lines about SIP above',
    )
  }
  if (mediaServers === 0)
    return {
      about,
      mark: 'unknown',
      fact: 'work within this network; beyond it nobody was asked',
      fix: 'name servers to ask: --stun HOST, --turn USER@HOST',
    }
  const relay = order.find((transport) => relays.includes(transport))?.toUpperCase()
  if (udpAnswers === 0 && !relay)
    return prevented(
      'media',
      'no way out for media was found',
      'use a TURN server over TLS on port 443: --turn turns:USER@HOST:443',
    )
  if (udpAnswers === 0)
    return { about, mark: 'ok', fact: `get through, all of them relayed (TURN over ${relay})` }
  if (reach === 'all')
    return { about, mark: 'ok', fact: `get through directly${relay ? ', or relayed' : ''}` }
  if (relay) {
    const directly = { most: 'most', few: 'few', unknown: 'some' }[reach]
    return {
      about,
      mark: 'ok',
      fact: `get through: ${directly} peers directly, the others relayed over ${relay}`,
    }
  }
  return {
    about,
    mark: 'warning',
    fact: `get through with ${{ most: 'most peers', few: 'few peers', unknown: 'some peers' }[reach]}; there is no relay for the others`,
    fix: hasTurn ? 'see the lines about TURN above' : 'give a TURN server: --turn USER@HOST',
  }
}
