// One handshake of DTLS-SRTP (RFC 5764) over one component of the media path, and the contexts that come of it. It begins when the path
// can carry it; what a peer that is ahead of us sends before waits until then.
import type { Certificate, Fingerprint } from '../dtls/certificate.ts'
import { DtlsClient } from '../dtls/client.ts'
import type { DtlsEndpoint, DtlsEvent } from '../dtls/endpoint.ts'
import { DtlsServer } from '../dtls/server.ts'
import { CoreDriver } from '../runtime/core.ts'
import type { Clock, Random } from '../runtime/runtime.ts'
import type { DtlsRole } from '../sdp/description.ts'
import { SrtpReceiver, SrtpSender } from '../srtp/context.ts'
import { srtpSuites } from '../srtp/suite.ts'

export interface DtlsHandshakeOptions {
  clock: Clock
  random: Random
  role: DtlsRole
  certificate: Certificate
  /** Of the peer's certificate. */
  fingerprints: readonly Fingerprint[]
  onSecret?: (line: Uint8Array) => void
  send: (record: Uint8Array) => void
  onKeys: (suite: string) => void
  onFailed: (reason: string) => void
}

/** Records of a handshake that began before ours. */
const keptRecords = 8

const dtlsProfiles = srtpSuites.flatMap(({ dtlsProfile, keyBytes, saltBytes }) =>
  dtlsProfile === undefined ? [] : [{ number: dtlsProfile, keyBytes, saltBytes }],
)

/** What came before anybody knew of a handshake. */
export class EarlyRecords {
  private readonly records: Uint8Array[] = []

  add(record: Uint8Array): void {
    if (this.records.length < keptRecords) this.records.push(record)
  }

  take(): Uint8Array[] {
    return this.records.splice(0)
  }
}

export class DtlsHandshake {
  sender: SrtpSender | undefined
  receiver: SrtpReceiver | undefined
  readonly role: DtlsRole
  private readonly endpoint: DtlsEndpoint
  private readonly driver: CoreDriver<DtlsEvent, Uint8Array>
  private started = false

  constructor(
    private readonly options: DtlsHandshakeOptions,
    private readonly early: EarlyRecords,
  ) {
    const { clock, random, role, certificate, fingerprints, onSecret, send } = options
    this.role = role
    const Endpoint = role === 'client' ? DtlsClient : DtlsServer
    this.endpoint = new Endpoint({
      random,
      certificate,
      srtpProfiles: dtlsProfiles,
      fingerprints,
      ...(onSecret && { onSecret }),
    })
    this.driver = new CoreDriver<DtlsEvent, Uint8Array>(this.endpoint, clock, send, (event) =>
      this.onEvent(event),
    )
  }

  /** The path carries. Idempotent. */
  start(): void {
    if (this.started) return
    this.started = true
    this.driver.drive((now) => this.endpoint.start(now))
    for (const record of this.early.take()) this.receive(record)
  }

  receive(record: Uint8Array): void {
    if (this.started) this.driver.drive((now) => this.endpoint.handleDatagram(now, record))
    else this.early.add(record)
  }

  close(): void {
    this.driver.drive(() => this.endpoint.close())
    this.driver.stop()
  }

  private onEvent(event: DtlsEvent): void {
    if (event.type === 'connected') {
      const suite = srtpSuites.find(({ dtlsProfile }) => dtlsProfile === event.srtpProfile)!
      this.sender = new SrtpSender({ suite, ...event.local })
      this.receiver = new SrtpReceiver({ suite, ...event.remote })
      this.options.onKeys(suite.name)
    } else if (event.type === 'failed') this.options.onFailed(event.reason)
  }
}
