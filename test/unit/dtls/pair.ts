// Two ends of a handshake with a line between them that loses, repeats, delays and turns over, in virtual time.
import { type Certificate, createCertificate, fingerprintOf } from '../../../src/dtls/certificate.ts'
import { DtlsClient } from '../../../src/dtls/client.ts'
import type { DtlsEndpoint, DtlsEvent, DtlsOptions, SrtpProfile } from '../../../src/dtls/endpoint.ts'
import { DtlsServer } from '../../../src/dtls/server.ts'
import type { Random } from '../../../src/runtime/runtime.ts'

/** Of mulberry32: the same numbers for the same seed. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
    integer: (below) => next() % below,
  }
}

export const profiles: readonly SrtpProfile[] = [
  { number: 0x0007, keyBytes: 16, saltBytes: 12 },
  { number: 0x0001, keyBytes: 16, saltBytes: 14 },
]

export const clientCertificate = createCertificate(seeded(1), 1_800_000_000_000)
export const serverCertificate = createCertificate(seeded(2), 1_800_000_000_000)
export const print = ({ der }: Certificate) => fingerprintOf(der)!

export interface Line {
  lossPercent?: number
  duplicatePercent?: number
  delayMs?: number
  jitterMs?: number
  /** Changes a datagram, or swallows it. */
  tamper?: (data: Uint8Array, from: 'client' | 'server', n: number) => Uint8Array | undefined
}

export class Pair {
  now = 0
  sent = { client: 0, server: 0 }
  readonly events: Record<'client' | 'server', DtlsEvent[]> = { client: [], server: [] }
  readonly client: DtlsEndpoint
  readonly server: DtlsEndpoint
  private readonly random: Random
  private readonly flying: { at: number; to: 'client' | 'server'; data: Uint8Array }[] = []

  constructor(
    private readonly line: Line = {},
    options: { client?: Partial<DtlsOptions>; server?: Partial<DtlsOptions> } = {},
    seed = 7,
  ) {
    this.random = seeded(seed)
    const common = { random: this.random, srtpProfiles: profiles }
    this.client = new DtlsClient({
      ...common,
      certificate: clientCertificate,
      fingerprints: [print(serverCertificate)],
      ...options.client,
    })
    this.server = new DtlsServer({
      ...common,
      certificate: serverCertificate,
      fingerprints: [print(clientCertificate)],
      ...options.server,
    })
  }

  start(): this {
    this.server.start(this.now)
    this.client.start(this.now)
    this.drain()
    return this
  }

  /** Until nothing happens any more, or that time has passed. */
  run(untilMs = 60_000): this {
    for (;;) {
      this.flying.sort((a, b) => a.at - b.at)
      const timeouts = [this.client, this.server].map(
        (end) => end.nextTimeout()?.at ?? Number.POSITIVE_INFINITY,
      )
      const next = Math.min(this.flying[0]?.at ?? Number.POSITIVE_INFINITY, ...timeouts)
      if (next > untilMs) return this
      this.now = Math.max(this.now, next)
      if (this.flying[0] && this.flying[0].at <= this.now) {
        const { to, data } = this.flying.shift()!
        this[to].handleDatagram(this.now, data)
      } else {
        this.client.handleTimeout(this.now)
        this.server.handleTimeout(this.now)
      }
      this.drain()
    }
  }

  drain(): void {
    for (const from of ['client', 'server'] as const) {
      const to = from === 'client' ? 'server' : 'client'
      for (let data = this[from].pollTransmit(); data; data = this[from].pollTransmit())
        this.fly(from, to, data, this.sent[from]++)
      for (let event = this[from].pollEvent(); event; event = this[from].pollEvent())
        this.events[from].push(event)
    }
  }

  private fly(from: 'client' | 'server', to: 'client' | 'server', data: Uint8Array, n: number): void {
    const { lossPercent = 0, duplicatePercent = 0, delayMs = 10, jitterMs = 0, tamper } = this.line
    const chance = (percent: number): boolean => this.random.integer(100) < percent
    const arrives = tamper ? tamper(data, from, n) : data
    if (!arrives || chance(lossPercent)) return
    for (let copies = chance(duplicatePercent) ? 2 : 1; copies > 0; copies--)
      this.flying.push({
        at: this.now + delayMs + this.random.integer(jitterMs + 1),
        to,
        data: Uint8Array.from(arrives),
      })
  }
}
