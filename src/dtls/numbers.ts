// The numbers of DTLS 1.2 that floe uses, from the IANA registries "TLS Parameters" and "TLS Extension Types".

/** DTLS 1.2 (RFC 6347 4.1): the complement of 1.2; what a first ClientHello carries in its record is 1.0. */
export const dtls12 = 0xfefd
export const dtls10 = 0xfeff

export const contentType = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const

export const handshakeType = {
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const

export const extensionType = {
  supportedGroups: 10,
  ecPointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  renegotiationInfo: 0xff01,
} as const

/** RFC 8446 B.3.1.4 (the numbers of TLS 1.2 and 1.3 are the same). The strongest that everybody has first. */
export const signatureScheme = {
  ecdsaP256Sha256: 0x0403,
  ecdsaP384Sha384: 0x0503,
  rsaPssSha256: 0x0804,
  rsaPkcs1Sha256: 0x0401,
  rsaPkcs1Sha384: 0x0501,
  rsaPkcs1Sha512: 0x0601,
} as const

export const namedGroup = { secp256r1: 23, secp384r1: 24, x25519: 29 } as const

export const alertDescription = {
  closeNotify: 0,
  unexpectedMessage: 10,
  handshakeFailure: 40,
  badCertificate: 42,
  illegalParameter: 47,
  decodeError: 50,
  decryptError: 51,
  protocolVersion: 70,
  insufficientSecurity: 71,
  internalError: 80,
} as const

const alertNames: Readonly<Record<number, string>> = {
  0: 'close notify',
  10: 'unexpected message',
  20: 'bad record MAC',
  40: 'handshake failure',
  42: 'bad certificate',
  43: 'unsupported certificate',
  46: 'certificate unknown',
  47: 'illegal parameter',
  48: 'unknown CA',
  50: 'decode error',
  51: 'decrypt error',
  70: 'protocol version',
  71: 'insufficient security',
  80: 'internal error',
}
export const alertName = (description: number): string => alertNames[description] ?? `alert ${description}`
