// What a TURN server's refusal means to the person who entered the server: one sentence with cause and remedy (RFC 8656 19).
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import { errorCode } from '../stun/numbers.ts'
import type { TurnServer } from './server.ts'

/** "the TURN server turn.example (192.0.2.1:443 over TLS)" */
export function nameOf(server: TurnServer): string {
  const by = server.transport === 'udp' ? '' : ` over ${server.transport.toUpperCase()}`
  const at = formatAddress(server.address)
  return server.host === server.address.address
    ? `the TURN server ${at}${by}`
    : `the TURN server ${server.host} (${at}${by})`
}

/** Of time-limited credentials: the second at which they end, and perhaps a user. */
const timeLimited = /^\d{9,11}(:|$)/

/** Why there is no allocation, or not any more. */
export function refusal(server: TurnServer, code: number, phrase: string): string {
  const name = nameOf(server)
  switch (code) {
    case errorCode.tryAlternate:
      return `${name} sends us to another server, but there the way ends: ask its operator, or give another server`
    case errorCode.badRequest:
      return `${name} does not understand the request (400): check that this port is TURN's`
    case errorCode.unauthenticated:
      return timeLimited.test(server.username)
        ? `${name} refused the credentials: their time may be over; check the shared secret and both clocks`
        : `${name} refused the credentials: check user and password`
    case errorCode.forbidden:
      return `${name} forbids a relay (403): its operator must permit this user or this address`
    case errorCode.unknownAttribute:
      return `${name} lacks a part of TURN that floe needs (420): it must be updated`
    case errorCode.allocationMismatch:
      return `${name} has lost the relay, or gave the same path to another one (437): it may have restarted; connect anew`
    case errorCode.staleNonce:
      return `${name} calls every nonce stale (438): check the clock and the nonce lifetime of the server`
    case errorCode.addressFamilyNotSupported:
      return `${name} has no relay address of the IP version asked for (440): add one to the server`
    case errorCode.wrongCredentials:
      return `${name} holds this path for another user (441): use the same credentials throughout`
    case errorCode.unsupportedTransportProtocol:
      return `${name} does not relay UDP (442): use another server`
    case errorCode.allocationQuotaReached:
      return `${name} permits this user no more relays (486): raise its quota, or wait until others end`
    case errorCode.insufficientCapacity:
      return `${name} is full (508): give it more relay ports, or add a second server`
    default:
      return `${name} refused a relay (${phrase ? `${code} ${printable(phrase)}` : code}): ask its operator`
  }
}

/** Why the relay lets nothing through to one peer. */
export const peerRefusal = (server: TurnServer, peer: TransportAddress, code: number): string =>
  code === errorCode.forbidden
    ? `${nameOf(server)} forbids to relay to ${peer.address} (403): its operator must permit this address`
    : `${nameOf(server)} cannot relay to ${peer.address} (${code})`

/** The server's words, without what could disturb a terminal, and not at any length. */
const printable = (text: string): string => text.replace(/[^ -~]/g, '?').slice(0, 80)
