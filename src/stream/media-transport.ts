// All that a media stream knows of the network. Who provides it (ICE, or plain addresses with latching) is not its business.
import type { Millis } from '../runtime/runtime.ts'

export interface MediaTransport {
  /** Drops silently while there is no path yet; returns whether the octets left. `packet` may be reused by the caller afterwards.
   *  @param departAt when it is to leave, where the network can keep that; absent: now */
  sendRtp(packet: Uint8Array, departAt?: Millis): boolean
  sendRtcp(packet: Uint8Array, departAt?: Millis): boolean
  /** Set by the stream. RTP and RTCP are already told apart (RFC 5761). `arrivedAt`: when the packet came; absent: now.
   *  The packet may be overwritten after the call. */
  onRtp: ((packet: Uint8Array, arrivedAt?: Millis) => void) | undefined
  onRtcp: ((packet: Uint8Array, arrivedAt?: Millis) => void) | undefined
}
