// How one packet is protected with the session keys, whoever keeps the count: the two transforms of srtp-suite, with one face.
// `header` octets stay readable and are authenticated; what follows is encrypted; `trailer` is authenticated and not sent with
// the packet here (the roll-over counter of RTP, or SRTCP's E flag and index, which its caller appends).

export interface Transform {
  /** What protection adds. */
  readonly tagBytes: number
  /** Encrypts `packet` from `header` on into `out` and puts the tag behind; returns the length.
   *  @param index 48 bits of RTP (roll-over counter and sequence number), 31 of RTCP */
  seal(
    packet: Uint8Array,
    header: number,
    ssrc: number,
    index: number,
    trailer: Uint8Array,
    out: Uint8Array,
  ): number
  /** The reverse, `packet` being what `seal` has written: into `out`, whose length is returned; undefined where the tag does not fit.
   *  @param encrypted false where only the tag is to be checked (SRTCP without the E flag) */
  open(
    packet: Uint8Array,
    header: number,
    ssrc: number,
    index: number,
    trailer: Uint8Array,
    encrypted: boolean,
    out: Uint8Array,
  ): number | undefined
}
