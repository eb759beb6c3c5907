// One end of a DTLS 1.2 handshake for SRTP (RFC 6347, RFC 5764), without I/O: datagrams and time go in; datagrams, events and one
// deadline come out. Here is what both roles share: records, flights and their repetition, keys, alerts, the check of the
// peer's certificate against the fingerprints of the signalling. client.ts and server.ts are the two conversations.
// Leaves out DTLS 1.0 and 1.3, resumption, renegotiation, application data: nothing of a call goes over it.
import { X509Certificate } from 'node:crypto'
import type { Deadline } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import { type Certificate, type Fingerprint, isVouchedFor } from './certificate.ts'
import { type CipherSuite, RecordProtection } from './cipher-suites.ts'
import {
  type HandshakeMessage,
  handshakeName,
  Reassembly,
  writeFragments,
  writeMessage,
} from './handshake-messages.ts'
import {
  exported,
  extendedMasterSecret,
  keyLogLine,
  prf,
  transcriptHash,
  verifyData,
} from './key-schedule.ts'
import { alertDescription, alertName, contentType, dtls10, dtls12, handshakeType } from './numbers.ts'
import { Malformed } from './octets.ts'
import { RecordLayer, recordHeaderBytes, sealingBytes } from './records.ts'

/** A protection profile of SRTP and what it needs of keys (RFC 5764 4.1.2). */
export interface SrtpProfile {
  readonly number: number
  readonly keyBytes: number
  readonly saltBytes: number
}

export interface SrtpKey {
  readonly key: Uint8Array
  readonly salt: Uint8Array
}

export interface DtlsOptions {
  readonly random: Random
  readonly certificate: Certificate
  /** In order of preference. */
  readonly srtpProfiles: readonly SrtpProfile[]
  /** Those of the peer, where they are known already. */
  readonly fingerprints?: readonly Fingerprint[]
  /** Is told a line of SSLKEYLOGFILE, which opens the handshake to whoever reads it. */
  readonly onSecret?: (line: Uint8Array) => void
}

export type DtlsEvent =
  /** The handshake is over, and the certificate is the one that the signalling vouches for. */
  | { type: 'connected'; cipherSuite: string; srtpProfile: number; local: SrtpKey; remote: SrtpKey }
  /** `reason` is half a sentence. Nothing more will come. */
  | { type: 'failed'; reason: string }
  /** The peer has said that it is over (close_notify). */
  | { type: 'closed' }

/** RFC 6347 4.2.4.1 asks for 1 s where nothing is known; here ICE has found the path, and a person waits for sound. */
const firstRetransmissionMs = 150
const longestRetransmissionMs = 1_000
/** How long the peer may take altogether. */
const patienceMs = 30_000
/** What comes before there are keys may be anybody's: that it does not hold is believed where nothing better follows. */
const doubtMs = 2_000
/** How soon a repeated flight of the peer's makes us repeat ours again. */
const repetitionGapMs = 50
/** What a datagram may hold: below every MTU in use, with room for what TURN adds. */
const datagramBytes = 1_200
const anotherCertificate =
  'the certificate of the far end is not the one that its signalling names: somebody may stand between'
/** RFC 5764 4.2. */
const srtpLabel = 'EXTRACTOR-dtls_srtp'

interface FlightItem {
  readonly type: number
  readonly epoch: 0 | 1
  readonly message?: HandshakeMessage
}

interface FlightStart {
  readonly sequence: number
  readonly transcriptLength: number
  readonly expected: string
  readonly certificate?: X509Certificate | undefined
  readonly masterSecret?: Uint8Array | undefined
}

/** What the peer sent cannot be gone on with. `message` is half a sentence. */
class Refused extends Error {
  constructor(
    readonly description: number,
    reason: string,
  ) {
    super(reason)
  }
}

export abstract class DtlsEndpoint {
  protected abstract readonly role: 'client' | 'server'
  /** Of the peer. */
  protected abstract expected: string
  protected suite: CipherSuite | undefined
  protected srtpProfile: SrtpProfile | undefined
  protected clientRandom: Uint8Array = new Uint8Array(0)
  protected serverRandom: Uint8Array = new Uint8Array(0)
  /** All handshake messages of both ends, in order. */
  protected transcript: Uint8Array[] = []
  protected peerCertificate: X509Certificate | undefined

  private readonly records = new RecordLayer()
  private readonly reassembly = new Reassembly()
  private fingerprints: readonly Fingerprint[] | undefined
  private masterSecret: Uint8Array | undefined
  private nextSequence = 0
  private flight: FlightItem[] = []
  private flightSentAt: Millis = Number.NEGATIVE_INFINITY
  private retransmissionMs = firstRetransmissionMs
  private retransmitAt: Millis | undefined
  private giveUpAt: Millis | undefined
  /** `sequence`: what must come for it to be forgotten. */
  private doubt: { at: Millis; reason: string; sequence: number; description?: number } | undefined
  /** Where the peer's flight begins: what is forged in it makes all of it be forgotten, and awaited once more. */
  private flightStart: FlightStart = { sequence: 0, transcriptLength: 0, expected: 'hello' }
  private readonly datagrams: Uint8Array[] = []
  private readonly events: DtlsEvent[] = []
  private state: 'handshake' | 'finished' | 'connected' | 'over' = 'handshake'

  constructor(protected readonly options: DtlsOptions) {
    this.fingerprints = options.fingerprints
  }

  /** What the peer says next. Throws Malformed, or calls `refuse`. */
  protected abstract receive(now: Millis, message: HandshakeMessage): void

  // ── the core ───────────────────────────────────────────────────────────────────────────────────

  /** Begins: a client speaks first, a server listens. */
  start(now: Millis): void {
    this.giveUpAt = now + patienceMs
  }

  /** Never throws. */
  handleDatagram(now: Millis, data: Uint8Array): void {
    if (this.state === 'over') return
    let isRepeated = false
    let records = this.records.read(data)
    // The keys that one record brings open those that came before them.
    while (records.length > 0 && !this.isOver) {
      // All of them first: what is true takes the place of what was forged before it.
      for (const { type, content, epoch } of records)
        if (type === contentType.handshake && this.reassembly.add(content, epoch)) isRepeated = true
      for (let message = this.reassembly.take(); message; message = this.reassembly.take())
        this.handle(now, message)
      for (const { type, content, epoch } of records)
        if (type === contentType.alert && !this.isOver) this.receiveAlert(now, epoch, content)
      records = this.opened.splice(0)
    }
    if (isRepeated && now - this.flightSentAt >= repetitionGapMs) this.transmitFlight(now)
  }

  handleTimeout(now: Millis): void {
    const { doubt } = this
    if (doubt && now >= doubt.at) {
      if (doubt.description !== undefined) this.sendAlert(2, doubt.description)
      this.fail(doubt.reason)
    } else if (this.giveUpAt !== undefined && now >= this.giveUpAt)
      this.fail(`the far end did not finish its handshake within ${patienceMs / 1_000} s`)
    else if (this.retransmitAt !== undefined && now >= this.retransmitAt) {
      this.retransmissionMs = Math.min(2 * this.retransmissionMs, longestRetransmissionMs)
      this.transmitFlight(now)
    }
  }

  pollTransmit(): Uint8Array | undefined {
    return this.datagrams.shift()
  }

  pollEvent(): DtlsEvent | undefined {
    return this.events.shift()
  }

  nextTimeout(): Deadline | undefined {
    const deadlines = [
      { at: this.doubt?.at, why: 'alert' },
      { at: this.giveUpAt, why: 'patience' },
      { at: this.retransmitAt, why: 'retransmission' },
    ].filter((deadline): deadline is Deadline => deadline.at !== undefined)
    return deadlines.sort((a, b) => a.at - b.at)[0]
  }

  /** What the signalling says the peer's certificate is. No key leaves before it is known. */
  setFingerprints(fingerprints: readonly Fingerprint[]): void {
    this.fingerprints = fingerprints
    if (this.peerCertificate && !isVouchedFor(this.peerCertificate.raw, fingerprints))
      this.endWith(alertDescription.badCertificate, anotherCertificate)
    this.connectIfReady()
  }

  /** Says goodbye. */
  close(): void {
    if (this.isOver) return
    this.sendAlert(1, alertDescription.closeNotify)
    this.end()
  }

  // ── for the roles ──────────────────────────────────────────────────────────────────────────────

  protected get isOver(): boolean {
    return this.state === 'over'
  }

  /** The next message of ours, which is part of the transcript from now on. */
  protected say(type: number, body: Uint8Array): FlightItem {
    const message = { type, sequence: this.nextSequence++, body }
    this.transcript.push(writeMessage(message))
    return { type: contentType.handshake, epoch: 0, message }
  }

  /** Ends our half of the handshake: from here on epoch 1. */
  protected sayFinished(): FlightItem[] {
    const { hash } = this.suite!
    const body = verifyData(hash, this.masterSecret!, this.role, this.transcript)
    return [
      { type: contentType.changeCipherSpec, epoch: 0 },
      { ...this.say(handshakeType.finished, body), epoch: 1 },
    ]
  }

  /** @param final nobody answers it: it is repeated only where the peer repeats itself */
  protected sendFlight(now: Millis, items: FlightItem[], { final = false } = {}): void {
    this.flight = items
    this.flightStart = {
      sequence: this.reassembly.next,
      transcriptLength: this.transcript.length,
      expected: this.expected,
      certificate: this.peerCertificate,
      masterSecret: this.masterSecret,
    }
    this.retransmissionMs = firstRetransmissionMs
    this.transmitFlight(now)
    if (final) this.retransmitAt = undefined
  }

  /** RFC 7627 4, RFC 5246 6.3. @param shared of the key exchange; the transcript ends with the ClientKeyExchange */
  protected deriveKeys(shared: Uint8Array): void {
    const { suite } = this
    const { hash, keyBytes, ivBytes } = suite!
    const master = extendedMasterSecret(hash, shared, transcriptHash(hash, this.transcript))
    this.masterSecret = master
    this.options.onSecret?.(keyLogLine(this.clientRandom, master))
    const seed = Buffer.concat([this.serverRandom, this.clientRandom])
    const block = prf(hash, master, 'key expansion', seed, 2 * (keyBytes + ivBytes))
    const part = (offset: number, length: number): Buffer => block.subarray(offset, offset + length)
    const client = new RecordProtection(suite!, part(0, keyBytes), part(2 * keyBytes, ivBytes))
    const server = new RecordProtection(
      suite!,
      part(keyBytes, keyBytes),
      part(2 * keyBytes + ivBytes, ivBytes),
    )
    this.opened.push(
      ...(this.role === 'client'
        ? this.records.protect(client, server)
        : this.records.protect(server, client)),
    )
  }
  private readonly opened: ReturnType<RecordLayer['read']> = []

  /** Throws Malformed where it is no certificate. */
  protected takeCertificate(der: Uint8Array | undefined): void {
    if (!der) this.refuse(alertDescription.badCertificate, 'the far end shows no certificate')
    try {
      this.peerCertificate = new X509Certificate(der)
    } catch {
      throw new Malformed('the certificate cannot be read')
    }
    if (this.fingerprints) this.checkFingerprint(this.peerCertificate)
  }

  /** The peer's Finished: whether both ends have seen the same handshake. */
  protected isFinishedBy(by: 'client' | 'server', message: HandshakeMessage): boolean {
    const expected = verifyData(this.suite!.hash, this.masterSecret!, by, this.transcript)
    return expected.equals(message.body)
  }

  protected finish(): void {
    this.state = 'finished'
    this.doubt = undefined
    this.giveUpAt = undefined
    this.retransmitAt = undefined
    this.connectIfReady()
  }

  /** What is said cannot be gone on with. `reason` is half a sentence. */
  protected refuse(description: number, reason: string): never {
    throw new Refused(description, reason)
  }

  protected unexpected({ type }: HandshakeMessage): never {
    this.refuse(alertDescription.unexpectedMessage, `the far end sent ${handshakeName(type)} out of turn`)
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────

  private handle(now: Millis, message: HandshakeMessage): void {
    if (this.state !== 'handshake') return
    try {
      this.receive(now, message)
      if (this.doubt && message.sequence >= this.doubt.sequence) this.doubt = undefined
    } catch (error) {
      if (error instanceof Malformed)
        this.mistrust(
          now,
          message,
          alertDescription.decodeError,
          `${handshakeName(message.type)} of the far end is broken: ${error.message}`,
        )
      else if (!(error instanceof Refused)) throw error
      // With our keys: nobody has forged it.
      else if (message.type === handshakeType.finished) this.endWith(error.description, error.message)
      else this.mistrust(now, message, error.description, error.message)
    }
  }

  private mistrust(now: Millis, { sequence }: HandshakeMessage, description: number, reason: string): void {
    this.doubt ??= { at: now + doubtMs, reason, sequence, description }
    const { flightStart } = this
    this.reassembly.restart(flightStart.sequence)
    this.transcript.length = flightStart.transcriptLength
    this.expected = flightStart.expected
    this.peerCertificate = flightStart.certificate
    this.masterSecret = flightStart.masterSecret
  }

  private transmitFlight(now: Millis): void {
    this.flightSentAt = now
    this.retransmitAt = this.state === 'handshake' ? now + this.retransmissionMs : undefined
    const room = datagramBytes - recordHeaderBytes - sealingBytes
    let datagram: Uint8Array[] = []
    let length = 0
    const flush = (): void => {
      if (datagram.length > 0) this.datagrams.push(Buffer.concat(datagram))
      datagram = []
      length = 0
    }
    for (const { type, epoch, message } of this.flight)
      for (const content of message ? writeFragments(message, room) : [Buffer.of(1)]) {
        // The first hello of all in the oldest version, which every server reads (RFC 6347 4.2.1).
        const version = message?.type === handshakeType.clientHello ? dtls10 : dtls12
        const record = this.records.write(type, epoch, content, version)
        if (length + record.length > datagramBytes) flush()
        datagram.push(record)
        length += record.length
      }
    flush()
  }

  private receiveAlert(now: Millis, epoch: number, content: Uint8Array): void {
    const [level, description] = content
    if (level === undefined || description === undefined || content.length !== 2) return
    const isClose = description === alertDescription.closeNotify
    if (level !== 2 && !isClose) return
    const reason = `the far end ended the handshake: ${alertName(description)}`
    if (epoch === 0) {
      if (this.state === 'handshake')
        this.doubt ??= { at: now + doubtMs, reason, sequence: this.reassembly.next }
      return
    }
    if (!isClose) this.fail(reason)
    else {
      this.events.push({ type: 'closed' })
      this.end()
    }
  }

  private sendAlert(level: 1 | 2, description: number): void {
    const epoch = this.masterSecret ? 1 : 0
    this.datagrams.push(this.records.write(contentType.alert, epoch, Buffer.of(level, description)))
  }

  private checkFingerprint(certificate: X509Certificate): void {
    if (isVouchedFor(certificate.raw, this.fingerprints!)) return
    this.refuse(alertDescription.badCertificate, anotherCertificate)
  }

  private connectIfReady(): void {
    if (this.state !== 'finished' || !this.fingerprints) return
    this.state = 'connected'
    const { suite, srtpProfile, masterSecret } = this
    const { number, keyBytes, saltBytes } = srtpProfile!
    const randoms = Buffer.concat([this.clientRandom, this.serverRandom])
    const material = exported(suite!.hash, masterSecret!, randoms, srtpLabel, 2 * (keyBytes + saltBytes))
    // RFC 5764 4.2: both keys, then both salts, the client's first.
    const keyOf = (index: 0 | 1): SrtpKey => ({
      key: material.subarray(index * keyBytes, (index + 1) * keyBytes),
      salt: material.subarray(2 * keyBytes + index * saltBytes, 2 * keyBytes + (index + 1) * saltBytes),
    })
    const [local, remote] = this.role === 'client' ? [keyOf(0), keyOf(1)] : [keyOf(1), keyOf(0)]
    this.events.push({ type: 'connected', cipherSuite: suite!.name, srtpProfile: number, local, remote })
  }

  private endWith(description: number, reason: string): void {
    if (this.isOver) return
    this.sendAlert(2, description)
    this.fail(reason)
  }

  private fail(reason: string): void {
    if (this.isOver) return
    this.events.push({ type: 'failed', reason })
    this.end()
  }

  private end(): void {
    this.state = 'over'
    this.retransmitAt = undefined
    this.giveUpAt = undefined
    this.doubt = undefined
  }
}
