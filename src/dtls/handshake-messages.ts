// Handshake messages on the wire (RFC 6347 4.2.2, RFC 5246 7.4): their frames, the pieces they come in, and the fields of those
// that floe sends and reads. Readers throw Malformed.
import { extensionType, handshakeType, namedGroup } from './numbers.ts'
import { Malformed, numbers, Reader, uint, vector } from './octets.ts'

const handshakeHeaderBytes = 12
/** A certificate chain fits; more is an attack on memory. */
const longestMessageBytes = 16_384
/** Messages ahead of the one that is due: no flight is longer. */
const messagesAhead = 8

export interface HandshakeMessage {
  readonly type: number
  readonly sequence: number
  readonly body: Uint8Array
}

/** The whole message in one piece: as it counts in the transcript (RFC 6347 4.2.6). */
export const writeMessage = ({ type, sequence, body }: HandshakeMessage): Buffer =>
  Buffer.concat([writeHeader(type, body.length, sequence, 0, body.length), body])

/** The message in pieces of at most so many octets, header included. */
export function writeFragments({ type, sequence, body }: HandshakeMessage, mostBytes: number): Buffer[] {
  const step = mostBytes - handshakeHeaderBytes
  const fragments: Buffer[] = []
  for (let at = 0; at === 0 || at < body.length; at += step) {
    const piece = body.subarray(at, at + step)
    fragments.push(Buffer.concat([writeHeader(type, body.length, sequence, at, piece.length), piece]))
  }
  return fragments
}

const writeHeader = (
  type: number,
  length: number,
  sequence: number,
  offset: number,
  pieceLength: number,
): Buffer =>
  Buffer.concat([Buffer.of(type), uint(length, 3), uint(sequence, 2), uint(offset, 3), uint(pieceLength, 3)])

interface Partial {
  readonly type: number
  readonly body: Uint8Array
  readonly got: Uint8Array
  missing: number
}

/** Puts messages together and in order (RFC 6347 4.2.3). */
export class Reassembly {
  /** The sequence number of the message that is due. */
  next = 0
  private readonly partials = new Map<number, Partial>()

  /** Forgets what is not handed out, and awaits that message, perhaps again. */
  restart(next: number): void {
    this.next = next
    this.partials.clear()
  }

  /** Takes what one record holds; what is broken is passed over (RFC 6347 4.1.2.7), and so is what has no place in its epoch: a
   *  Finished is the only message under our keys. @returns whether it repeats a message that has been handed out */
  add(record: Uint8Array, epoch: number): boolean {
    let isRepeated = false
    let at = 0
    while (record.length - at >= handshakeHeaderBytes) {
      const header = new Reader(record.subarray(at, at + handshakeHeaderBytes))
      const type = header.uint(1)
      const length = header.uint(3)
      const sequence = header.uint(2)
      const offset = header.uint(3)
      at += handshakeHeaderBytes
      const piece = record.subarray(at, at + header.uint(3))
      at += piece.length
      if (length > longestMessageBytes || offset + piece.length > length) break
      if ((type === handshakeType.finished) !== (epoch === 1)) continue
      if (sequence < this.next) isRepeated = true
      else if (sequence < this.next + messagesAhead) this.keep(type, length, sequence, offset, piece)
    }
    return isRepeated
  }

  private keep(type: number, length: number, sequence: number, offset: number, piece: Uint8Array): void {
    let partial = this.partials.get(sequence)
    // Of two that contradict each other one is forged: who comes again is right in the end.
    if (!partial || partial.type !== type || partial.body.length !== length) {
      partial = { type, body: new Uint8Array(length), got: new Uint8Array(length), missing: length }
      this.partials.set(sequence, partial)
    }
    partial.body.set(piece, offset)
    for (let at = offset; at < offset + piece.length; at++) {
      if (partial.got[at] === 0) partial.missing--
      partial.got[at] = 1
    }
  }

  /** The message that is due, once it is whole. */
  take(): HandshakeMessage | undefined {
    const partial = this.partials.get(this.next)
    if (!partial || partial.missing > 0) return undefined
    this.partials.delete(this.next)
    return { type: partial.type, sequence: this.next++, body: partial.body }
  }
}

// ── hellos ───────────────────────────────────────────────────────────────────────────────────────

export interface ClientHello {
  version: number
  random: Uint8Array
  cookie: Uint8Array
  suites: number[]
  groups: number[]
  signatureSchemes: number[]
  srtpProfiles: number[]
  extendedMasterSecret: boolean
  /** Whether it knows RFC 5746, and wants to see that we do: some refuse a hello without it. */
  renegotiationInfo: boolean
}

/** Signals that renegotiation is known, and not done (RFC 5746 3.3). */
const renegotiationScsv = 0x00ff
const noCompression = Buffer.of(1, 0)

const extension = (type: number, ...body: Uint8Array[]): Buffer =>
  Buffer.concat([uint(type, 2), vector(2, ...body)])
const uncompressedPoints = extension(extensionType.ecPointFormats, Buffer.of(1, 0))
const extendedMasterSecret = extension(extensionType.extendedMasterSecret)
const useSrtp = (profiles: readonly number[]): Buffer =>
  extension(extensionType.useSrtp, numbers(2, profiles), Buffer.of(0))

export const writeClientHello = (
  hello: Omit<ClientHello, 'extendedMasterSecret' | 'renegotiationInfo'>,
): Buffer =>
  Buffer.concat([
    uint(hello.version, 2),
    hello.random,
    vector(1),
    vector(1, hello.cookie),
    numbers(2, [...hello.suites, renegotiationScsv]),
    noCompression,
    vector(
      2,
      useSrtp(hello.srtpProfiles),
      extendedMasterSecret,
      extension(extensionType.supportedGroups, numbers(2, hello.groups)),
      uncompressedPoints,
      extension(extensionType.signatureAlgorithms, numbers(2, hello.signatureSchemes)),
    ),
  ])

export function readClientHello(body: Uint8Array): ClientHello {
  const reader = new Reader(body)
  const version = reader.uint(2)
  const random = reader.bytes(32)
  reader.vector(1)
  const cookie = reader.vector(1)
  const suites = reader.numbers(2)
  reader.vector(1)
  const extensions = readExtensions(reader)
  const list = (type: number): number[] => {
    const data = extensions.get(type)
    return data ? new Reader(data).numbers(2) : []
  }
  return {
    version,
    random,
    cookie,
    suites,
    // RFC 8422 5.1: who names none leaves the choice to us.
    groups: extensions.has(extensionType.supportedGroups)
      ? list(extensionType.supportedGroups)
      : [namedGroup.secp256r1],
    signatureSchemes: list(extensionType.signatureAlgorithms),
    srtpProfiles: list(extensionType.useSrtp),
    extendedMasterSecret: extensions.has(extensionType.extendedMasterSecret),
    renegotiationInfo: suites.includes(renegotiationScsv) || extensions.has(extensionType.renegotiationInfo),
  }
}

export interface ServerHello {
  version: number
  random: Uint8Array
  suite: number
  srtpProfile: number | undefined
  extendedMasterSecret: boolean
}

/** @param renegotiationInfo whether the client wants to see it */
export const writeServerHello = (hello: ServerHello, renegotiationInfo: boolean): Buffer =>
  Buffer.concat([
    uint(hello.version, 2),
    hello.random,
    vector(1),
    uint(hello.suite, 2),
    Buffer.of(0),
    vector(
      2,
      useSrtp([hello.srtpProfile!]),
      extendedMasterSecret,
      uncompressedPoints,
      ...(renegotiationInfo ? [extension(extensionType.renegotiationInfo, Buffer.of(0))] : []),
    ),
  ])

export function readServerHello(body: Uint8Array): ServerHello {
  const reader = new Reader(body)
  const version = reader.uint(2)
  const random = reader.bytes(32)
  reader.vector(1)
  const suite = reader.uint(2)
  if (reader.uint(1) !== 0) throw new Malformed('compression was chosen')
  const extensions = readExtensions(reader)
  // RFC 5746 3.4: of a first handshake it is empty.
  const renegotiation = extensions.get(extensionType.renegotiationInfo)
  if (renegotiation && (renegotiation.length !== 1 || renegotiation[0] !== 0))
    throw new Malformed('renegotiation of another connection')
  const srtp = extensions.get(extensionType.useSrtp)
  return {
    version,
    random,
    suite,
    srtpProfile: srtp && chosenProfile(srtp),
    extendedMasterSecret: extensions.has(extensionType.extendedMasterSecret),
  }
}

/** RFC 5764 4.1.1, 4.1.3: one profile, and no key identifier where the client has offered none. */
function chosenProfile(body: Uint8Array): number {
  const reader = new Reader(body)
  const [profile, ...more] = reader.numbers(2)
  if (profile === undefined || more.length > 0) throw new Malformed('not one SRTP profile was chosen')
  if (reader.vector(1).length > 0) throw new Malformed('a key identifier that was not offered')
  reader.end()
  return profile
}

function readExtensions(reader: Reader): Map<number, Uint8Array> {
  const extensions = new Map<number, Uint8Array>()
  if (reader.left === 0) return extensions
  const all = new Reader(reader.vector(2))
  reader.end()
  while (all.left > 0) {
    const type = all.uint(2)
    if (extensions.has(type)) throw new Malformed('an extension comes twice')
    extensions.set(type, all.vector(2))
  }
  return extensions
}

export function readHelloVerifyRequest(body: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  reader.uint(2)
  return reader.vector(1)
}

// ── keys and certificates ────────────────────────────────────────────────────────────────────────

/** RFC 5246 7.4.2. */
export const writeCertificate = (der: Uint8Array): Buffer => vector(3, vector(3, der))

/** The first of the chain; undefined where it is empty. */
export function readCertificate(body: Uint8Array): Uint8Array | undefined {
  const reader = new Reader(body)
  const list = new Reader(reader.vector(3))
  reader.end()
  return list.left === 0 ? undefined : list.vector(3)
}

/** RFC 8422 5.4: a named curve. */
const namedCurve = 3

export const writeKeyShare = (group: number, publicKey: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(namedCurve), uint(group, 2), vector(1, publicKey)])

export const writeSignature = (scheme: number, signature: Uint8Array): Buffer =>
  Buffer.concat([uint(scheme, 2), vector(2, signature)])

export function readSignature(reader: Reader): { scheme: number; signature: Uint8Array } {
  const read = { scheme: reader.uint(2), signature: reader.vector(2) }
  reader.end()
  return read
}

export function readServerKeyExchange(body: Uint8Array): {
  group: number
  publicKey: Uint8Array
  /** What the signature covers beside the randoms. */
  parameters: Uint8Array
  scheme: number
  signature: Uint8Array
} {
  const reader = new Reader(body)
  if (reader.uint(1) !== namedCurve) throw new Malformed('the curve has no name')
  const group = reader.uint(2)
  const publicKey = reader.vector(1)
  const parameters = body.subarray(0, body.length - reader.left)
  return { group, publicKey, parameters, ...readSignature(reader) }
}

/** RFC 5246 7.4.4, RFC 8422 5.5: certificates with ECDSA or RSA keys, of any authority. */
export const writeCertificateRequest = (signatureSchemes: readonly number[]): Buffer =>
  Buffer.concat([vector(1, Buffer.of(64, 1)), numbers(2, signatureSchemes), vector(2)])

/** The signature schemes that the server takes. */
export function readCertificateRequest(body: Uint8Array): number[] {
  const reader = new Reader(body)
  reader.vector(1)
  return reader.numbers(2)
}

export const handshakeName = (type: number): string =>
  Object.entries(handshakeType).find(([, number]) => number === type)?.[0] ?? `message ${type}`
