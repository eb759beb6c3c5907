// SRTP for the media of one call: between the stream and its paths, with keys from SDP (RFC 4568) or from a DTLS handshake over the
// path itself (RFC 5763, RFC 5764), or none. Until there are keys nothing leaves, and what arrives waits a moment for them.
//
//   stream ── sendRtp ──> protect ──> paths          paths ── onRtp ──> unprotect ──> stream
//                                     paths <── DTLS handshake ──> paths
import type { Certificate, Fingerprint } from '../dtls/certificate.ts'
import { fingerprintOf } from '../dtls/certificate.ts'
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, Random } from '../runtime/runtime.ts'
import type { CryptoAttribute, LocalKeying, NegotiatedKeying } from '../sdp/description.ts'
import { SrtpReceiver, SrtpSender } from '../srtp/context.ts'
import { type MasterKey, type SrtpSuite, srtpSuites, suiteByName } from '../srtp/suite.ts'
import type { MediaTransport } from '../stream/media-transport.ts'
import type { FactBody } from '../trace/facts.ts'
import { DtlsHandshake, EarlyRecords } from './dtls-handshake.ts'
import type { SrtpPolicy } from './options.ts'
import type { PathSuccession } from './path-succession.ts'

export interface SecureMediaOptions {
  clock: Clock
  random: Random
  /** What is offered. SRTP that the peer offers is taken whatever this says, but for "off". */
  policy: SrtpPolicy | 'answer'
  /** How keys are offered. */
  keying: readonly ('dtls' | 'sdes')[]
  /** Suites to offer by SDES, best first. */
  suites: readonly string[]
  certificate: () => Certificate
  /** Gets what SRTP hides, before it is encrypted or after it was opened. */
  inTheClear?: (from: TransportAddress, to: TransportAddress, packet: Uint8Array, at?: Millis) => void
  /** Gets the secrets of a handshake, as lines of SSLKEYLOGFILE. */
  onSecret?: (line: Uint8Array) => void
  record: (fact: FactBody) => void
}

/** Packets that came before the keys they need: the answer may be slower than media. */
const keptPackets = 32

export class SecureMedia implements MediaTransport {
  onRtp: MediaTransport['onRtp']
  onRtcp: MediaTransport['onRtcp']
  /** `isReady` or `failure` has changed. */
  onChange: (() => void) | undefined
  /** Why there will be no keys: half a sentence. */
  failure: string | undefined

  private mode: 'undecided' | 'clear' | 'keyed' | 'handshake' = 'undecided'
  private sender: SrtpSender | undefined
  private receiver: SrtpReceiver | undefined
  private agreed: NegotiatedKeying | undefined
  /** A key for each suite; with one counters go on whenever it is used again (RFC 3711 9.1: never the same twice). */
  private own: CryptoAttribute[] | undefined
  private readonly senders = new Map<string, SrtpSender>()
  private readonly receivers = new Map<string, SrtpReceiver>()
  /** Of our certificate: every description asks for it. */
  private fingerprint: Fingerprint | undefined
  private dtls: DtlsHandshake | undefined
  /** RTCP on a port of its own has a handshake of its own (RFC 5764 3). */
  private control: DtlsHandshake | undefined
  private readonly early: { packet: Uint8Array; isRtcp: boolean; arrivedAt: Millis | undefined }[] = []
  private readonly earlyRecords = { 1: new EarlyRecords(), 2: new EarlyRecords() }
  private readonly refused: Record<string, number> = {}

  constructor(
    private readonly options: SecureMediaOptions,
    private readonly paths: PathSuccession,
  ) {
    paths.onRtp = (packet, arrivedAt) => this.receive(packet, false, arrivedAt)
    paths.onRtcp = (packet, arrivedAt) => this.receive(packet, true, arrivedAt)
    paths.onDtls = (record, component) => this.receiveRecord(record, component)
  }

  /** What our descriptions say. */
  get local(): LocalKeying | undefined {
    const { policy, keying, suites } = this.options
    if (policy === 'off') return undefined
    const offers = policy === 'prefer' || policy === 'require'
    const isOffered = (kind: 'dtls' | 'sdes'): boolean =>
      (offers || this.agreed?.type === kind) && keying.includes(kind)
    // In a profile of DTLS alone keys in SDP have no place (RFC 5763 5).
    const withKeys = isOffered('sdes') && !(policy === 'require' && keying.includes('dtls'))
    // Made when somebody asks: nobody does where nothing is encrypted.
    const cryptos = (): CryptoAttribute[] => (this.own ??= this.makeKeys())
    const fingerprint = (): Fingerprint =>
      (this.fingerprint ??= fingerprintOf(this.options.certificate().der)!)
    return {
      required: policy === 'require',
      get cryptos() {
        return cryptos()
      },
      offered: withKeys ? suites.length : 0,
      offersDtls: isOffered('dtls'),
      dtls: {
        get fingerprint() {
          return fingerprint()
        },
        ...(this.dtls && { role: this.dtls.role }),
      },
    }
  }

  /** What descriptions have agreed on, the first time or again. */
  apply(agreed: NegotiatedKeying | undefined): void {
    const before = this.agreed
    this.agreed = agreed
    if (!agreed) {
      if (this.mode !== 'clear') this.become('clear')
    } else if (agreed.type === 'sdes') this.useKeys(agreed, before)
    else if (!this.dtls || before?.type !== 'dtls' || !sameHandshake(before, agreed)) this.shakeHands(agreed)
  }

  /** The path may have become usable: a handshake waits for that. */
  pathChanged(): void {
    const path = this.paths.current
    if (!this.dtls || !path?.isUsable) return
    this.dtls.start()
    if (path.isMultiplexed || this.agreed?.type !== 'dtls') return
    this.control ??= this.handshake(this.agreed, 2)
    this.control.start()
  }

  /** Whether media may flow. */
  get isReady(): boolean {
    return this.mode === 'clear' || this.mode === 'keyed'
  }

  sendRtp(packet: Uint8Array, departAt?: Millis): boolean {
    if (this.mode === 'clear') return this.paths.sendRtp(packet, departAt)
    const sealed = this.mode === 'keyed' && this.sealed(packet, this.sender?.protectRtp(packet), departAt)
    return sealed ? this.paths.sendRtp(sealed, departAt) : false
  }

  sendRtcp(packet: Uint8Array, departAt?: Millis): boolean {
    if (this.mode === 'clear') return this.paths.sendRtcp(packet, departAt)
    const sealed =
      this.mode === 'keyed' &&
      this.sealed(packet, (this.ofRtcp?.sender ?? this.sender)?.protectRtcp(packet), departAt)
    return sealed ? this.paths.sendRtcp(sealed, departAt) : false
  }

  close(): void {
    if (Object.keys(this.refused).length > 0)
      this.options.record({ layer: 'srtp', type: 'refused', packets: this.refused })
    this.endHandshake()
  }

  // ── keys ─────────────────────────────────────────────────────────────────────────────────────

  private makeKeys(): CryptoAttribute[] {
    const { suites: preferred, random } = this.options
    const rank = ({ name }: SrtpSuite): number =>
      preferred.includes(name) ? preferred.indexOf(name) : preferred.length
    const suites = [...srtpSuites].sort((a, b) => rank(a) - rank(b))
    return suites.map(({ name, keyBytes, saltBytes }, at) => ({
      tag: at + 1,
      suite: name,
      key: random.bytes(keyBytes + saltBytes),
    }))
  }

  /** Counters go on where a key stays or comes back (RFC 3711 3.3.1). */
  private useKeys(
    agreed: Extract<NegotiatedKeying, { type: 'sdes' }>,
    before: NegotiatedKeying | undefined,
  ): void {
    const suite = suiteByName(agreed.suite)
    if (!suite) return
    const { local, remote } = agreed
    this.sender = kept(this.senders, local, () => new SrtpSender(masterOf(suite, local)))
    this.receiver = kept(this.receivers, remote, () => new SrtpReceiver(masterOf(suite, remote)))
    if (before?.type !== 'sdes') {
      this.options.record({ layer: 'srtp', type: 'keyed', by: 'sdes', suite: suite.name })
      this.become('keyed')
    }
  }

  private shakeHands(agreed: Extract<NegotiatedKeying, { type: 'dtls' }>): void {
    this.endHandshake()
    this.dtls = this.handshake(agreed, 1)
    this.mode = 'handshake'
    this.pathChanged()
  }

  private handshake(
    { role, fingerprints }: Extract<NegotiatedKeying, { type: 'dtls' }>,
    component: 1 | 2,
  ): DtlsHandshake {
    const { clock, random, certificate, onSecret } = this.options
    const handshake = new DtlsHandshake(
      {
        ...{ clock, random, role, fingerprints, certificate: certificate() },
        ...(onSecret && { onSecret }),
        send: (record) => this.paths.sendDtls(record, component),
        onKeys: (suite) => {
          if (component === 1) this.useHandshake(handshake, suite)
        },
        // Without keys for RTCP a call is still one.
        onFailed: (reason) => component === 1 && this.fail(reason),
      },
      this.earlyRecords[component],
    )
    return handshake
  }

  private useHandshake({ sender, receiver, role }: DtlsHandshake, suite: string): void {
    this.sender = sender
    this.receiver = receiver
    this.options.record({ layer: 'srtp', type: 'keyed', by: 'dtls', suite, role })
    this.become('keyed')
  }

  /** Of RTCP, where that has keys of its own; a peer that keeps to one handshake nonetheless gets those of RTP. */
  private get ofRtcp(): DtlsHandshake | undefined {
    return this.control?.sender && !this.paths.current?.isMultiplexed ? this.control : undefined
  }

  private endHandshake(): void {
    this.dtls?.close()
    this.control?.close()
    this.dtls = this.control = undefined
  }

  private become(mode: 'clear' | 'keyed'): void {
    this.mode = mode
    for (const { packet, isRtcp, arrivedAt } of this.early.splice(0)) this.receive(packet, isRtcp, arrivedAt)
    this.onChange?.()
  }

  private sealed(packet: Uint8Array, sealed: Uint8Array | undefined, at?: Millis): Uint8Array | undefined {
    if (sealed) this.tell(packet, 'sent', at)
    else this.fail('the key has protected as many packets as it may (RFC 3711 9.2)')
    return sealed
  }

  private fail(reason: string): void {
    if (this.failure !== undefined) return
    this.failure = reason
    this.options.record({ layer: 'srtp', type: 'failed', reason })
    this.onChange?.()
  }

  // ── in ───────────────────────────────────────────────────────────────────────────────────────

  private receive(packet: Uint8Array, isRtcp: boolean, arrivedAt: Millis | undefined): void {
    if (!this.isReady) {
      if (this.early.length < keptPackets) this.early.push({ packet, isRtcp, arrivedAt })
      return
    }
    const deliver = isRtcp ? this.onRtcp : this.onRtp
    if (this.mode === 'clear') {
      deliver?.(packet, arrivedAt)
      return
    }
    const clear = isRtcp
      ? (this.ofRtcp?.receiver ?? this.receiver!).unprotectRtcp(packet)
      : this.receiver!.unprotectRtp(packet)
    if (typeof clear === 'string') this.refused[clear] = (this.refused[clear] ?? 0) + 1
    else {
      this.tell(clear, 'received', arrivedAt)
      deliver?.(clear, arrivedAt)
    }
  }

  private tell(packet: Uint8Array, direction: 'sent' | 'received', at?: Millis): void {
    const ends = this.options.inTheClear && this.paths.current?.ends
    if (!ends) return
    const [from, to] = direction === 'sent' ? [ends.local, ends.remote] : [ends.remote, ends.local]
    this.options.inTheClear?.(from, to, packet, at)
  }

  private receiveRecord(record: Uint8Array, component: 1 | 2): void {
    const handshake = component === 1 ? this.dtls : this.control
    if (handshake) handshake.receive(record)
    else if (this.options.policy !== 'off') this.earlyRecords[component].add(record)
  }
}

const masterOf = (suite: SrtpSuite, { key, mki }: CryptoAttribute): MasterKey => ({
  suite,
  key: key.subarray(0, suite.keyBytes),
  salt: key.subarray(suite.keyBytes),
  ...(mki && { mki }),
})

/** Keys of the peer's that are kept in mind. */
const mostKeys = 16

/** What is done with that key, if that was before. */
function kept<T>(contexts: Map<string, T>, { suite, key, mki }: CryptoAttribute, make: () => T): T {
  const name = [suite, ...[key, mki ?? []].map((octets) => Buffer.from(octets).toString('hex'))].join(' ')
  const context = contexts.get(name) ?? make()
  contexts.delete(name)
  contexts.set(name, context)
  if (contexts.size > mostKeys) contexts.delete(contexts.keys().next().value!)
  return context
}

const sameHandshake = (
  a: Extract<NegotiatedKeying, { type: 'dtls' }>,
  b: Extract<NegotiatedKeying, { type: 'dtls' }>,
): boolean =>
  a.role === b.role &&
  a.fingerprints.length === b.fingerprints.length &&
  a.fingerprints.every(
    ({ algorithm, value }, i) =>
      b.fingerprints[i]!.algorithm === algorithm && b.fingerprints[i]!.value === value,
  )
