// Numbers that IANA keeps for STUN: methods, attributes and error codes of STUN (RFC 8489 18), ICE (RFC 8445 16.1) and TURN
// (RFC 8656 18), and of NAT behaviour discovery (RFC 5780 9). Left out: TCP relays (RFC 6062), mobility (RFC 8016).

/** IANA "STUN Methods". */
export const method = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const

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

/** Of TURN (RFC 8656 18); apart, because a connectivity check that carries one is not understood. */
export const turnAttribute = {
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  reservationToken: 0x0022,
  additionalAddressFamily: 0x8000,
  addressErrorCode: 0x8001,
  icmp: 0x8004,
} as const

/** Of NAT behaviour discovery (RFC 5780 9); apart, because servers alone must understand the first three. */
export const discoveryAttribute = {
  changeRequest: 0x0003,
  padding: 0x0026,
  responsePort: 0x0027,
  responseOrigin: 0x802b,
  otherAddress: 0x802c,
} as const

/** RFC 5780 7.2: the flags of CHANGE-REQUEST. */
export const change = { address: 0x04, port: 0x02 } as const

/** IANA "STUN Password Algorithms" (RFC 8489 18.5). */
export const passwordAlgorithm = { md5: 0x0001, sha256: 0x0002 } as const

/** RFC 8489 14.8, RFC 8445 16.2 and RFC 8656 19. */
export const errorCode = {
  tryAlternate: 300,
  badRequest: 400,
  unauthenticated: 401,
  forbidden: 403,
  unknownAttribute: 420,
  allocationMismatch: 437,
  staleNonce: 438,
  addressFamilyNotSupported: 440,
  wrongCredentials: 441,
  unsupportedTransportProtocol: 442,
  peerAddressFamilyMismatch: 443,
  allocationQuotaReached: 486,
  roleConflict: 487,
  serverError: 500,
  insufficientCapacity: 508,
} as const
