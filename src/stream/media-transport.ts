// All that a media stream knows of the network. Who provides it (ICE, or plain addresses with latching) is not its business.

export interface MediaTransport {
  /** Drops silently while there is no path yet; returns whether the octets left. `packet` may be reused by the caller afterwards. */
  sendRtp(packet: Uint8Array): boolean
  sendRtcp(packet: Uint8Array): boolean
  /** Set by the stream. RTP and RTCP are already told apart (RFC 5761). */
  onRtp: ((packet: Uint8Array) => void) | undefined
  onRtcp: ((packet: Uint8Array) => void) | undefined
}
