// A peer played by hand: one agent, and the test says what the other side sends.
import { IceAgent } from '../../../src/ice/agent.ts'
import type { RemoteIce } from '../../../src/ice/candidate.ts'
import { writeCheck, writeCheckSuccess } from '../../../src/ice/check-message.ts'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import type { Datagram } from '../../../src/runtime/core.ts'
import { shortTermKey } from '../../../src/stun/integrity.ts'
import { at, hostCandidate, messageOf, seededRandom } from './network.ts'

export const local = at('192.0.2.1', 4_000)
export const remote = at('192.0.2.2', 4_000)
export const random = seededRandom(7)
const theirs = { ufrag: 'peer', pwd: 'a-password-of-the-peer-1' }
export const theirKey = shortTermKey(theirs.pwd)

/** One agent whose peer is the test itself. */
export class Bench {
  now = 0
  readonly agent: IceAgent
  private readonly ourKey

  constructor(controlling: boolean) {
    this.agent = new IceAgent({ controlling, random: seededRandom(3), stunServers: [] })
    this.agent.addStream(1)
    this.agent.addSocket(0, { stream: 0, component: 1, base: local })
    this.agent.closeGathering(0)
    this.ourKey = shortTermKey(this.agent.parameters.pwd)
  }

  describe(overrides: Partial<RemoteIce> = {}): void {
    const candidates = [hostCandidate(remote.address, remote.port)]
    this.agent.setRemote(this.now, 0, { ...theirs, lite: false, options: [], candidates, ...overrides })
  }

  /** What the agent sends now, oldest first. */
  sent(): Datagram[] {
    const all: Datagram[] = []
    for (let d = this.agent.pollTransmit(); d; d = this.agent.pollTransmit()) all.push(d)
    return all
  }

  requests(): Datagram[] {
    return this.sent().filter((d) => messageOf(d).class === 'request')
  }

  advance(ms: number): void {
    const end = this.now + ms
    for (let next = this.agent.nextTimeout(); next && next.at <= end; next = this.agent.nextTimeout()) {
      this.now = Math.max(this.now, next.at)
      this.agent.handleTimeout(this.now)
    }
    this.now = end
  }

  receive(data: Uint8Array, from: TransportAddress = remote, to: TransportAddress = local): void {
    this.agent.handleDatagram(this.now, { data, local: to, remote: from })
  }

  /** A genuine check of the peer, with what the test changes about it. */
  check(
    change: {
      role?: 'controlling' | 'controlled'
      tieBreaker?: bigint
      useCandidate?: boolean
      priority?: number
      pwd?: string
      ufrag?: string
    } = {},
  ): Uint8Array {
    return writeCheck({
      transactionId: random.bytes(12),
      username: `${change.ufrag ?? this.agent.parameters.ufrag}:${theirs.ufrag}`,
      key: change.pwd === undefined ? this.ourKey : shortTermKey(change.pwd),
      priority: change.priority ?? 1_845_494_271,
      role: change.role ?? (this.agent.controlling ? 'controlled' : 'controlling'),
      tieBreaker: change.tieBreaker ?? 1n,
      useCandidate: change.useCandidate ?? false,
    })
  }

  /** The peer's success to a request of the agent. */
  answer(request: Datagram, mapped: TransportAddress = request.local, key = theirKey): Uint8Array {
    return writeCheckSuccess(messageOf(request), mapped, key)
  }

  /** Answers every request until the agent is content. */
  answerAll(): void {
    for (let round = 0; round < 5; round++) {
      this.advance(20)
      for (const request of this.requests()) this.receive(this.answer(request), request.remote)
    }
  }

  get dropped(): Record<string, number> {
    return this.agent.dropped
  }
}
