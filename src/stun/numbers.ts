// Numbers that IANA keeps for STUN: methods, attributes (RFC 8489 18.3, RFC 8445 16.1) and error codes. TURN's come with TURN.

/** IANA "STUN Methods". */
export const method = { binding: 0x001 } as const

/** IANA "STUN Attributes". Below 0x8000: a receiver must understand it or answer 420 (RFC 8489 14). */
export const attribute = {
  mappedAddress: 0x0001,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  realm: 0x0014,
  nonce: 0x0015,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  passwordAlgorithms: 0x8002,
  alternateDomain: 0x8003,
  software: 0x8022,
  alternateServer: 0x8023,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const

/** RFC 8489 14.8 and RFC 8445 16.2. */
export const errorCode = {
  tryAlternate: 300,
  badRequest: 400,
  unauthenticated: 401,
  unknownAttribute: 420,
  staleNonce: 438,
  roleConflict: 487,
  serverError: 500,
} as const
