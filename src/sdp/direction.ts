// Direction attributes and their arithmetic (RFC 3264 5.1, 6.1).
import type { Direction } from './description.ts'

export const sends = (direction: Direction): boolean => direction === 'sendrecv' || direction === 'sendonly'
export const receives = (direction: Direction): boolean =>
  direction === 'sendrecv' || direction === 'recvonly'

const of = (send: boolean, receive: boolean): Direction =>
  send ? (receive ? 'sendrecv' : 'sendonly') : receive ? 'recvonly' : 'inactive'

/** The same stream seen from the other end. */
export const reversed = (direction: Direction): Direction => of(receives(direction), sends(direction))

/** What both allow, seen from the same end. */
export const both = (a: Direction, b: Direction): Direction =>
  of(sends(a) && sends(b), receives(a) && receives(b))

/** Hold in the style of RFC 2543: a peer that listens at 0.0.0.0 receives nothing (RFC 3264 8.4). */
export const deaf = (direction: Direction): Direction => both(direction, 'sendonly')
