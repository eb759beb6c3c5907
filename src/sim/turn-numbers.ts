// Numbers that IANA keeps for TURN (RFC 8656 18), as the relay uses them.

export const turnMethod = {
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const

export const turnAttribute = {
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  reservationToken: 0x0022,
  additionalAddressFamily: 0x8000,
  addressErrorCode: 0x8001,
} as const

export const turnErrorCode = {
  forbidden: 403,
  allocationMismatch: 437,
  familyNotSupported: 440,
  wrongCredentials: 441,
  unsupportedTransport: 442,
  peerFamilyMismatch: 443,
  quotaReached: 486,
  insufficientCapacity: 508,
} as const
