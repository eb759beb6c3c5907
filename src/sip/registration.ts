// An account that stays registered: one binding at the first of its servers that works; where that one keeps flows (RFC 5626), one
// at each of them, every flow healed alone. What they tell is put together here: the state, and how calls of the account leave.
import { createHash } from 'node:crypto'
import { formatAddress } from '../runtime/address.ts'
import type { AgentContext, Identity } from './agent-context.ts'
import type { Flow } from './flow.ts'
import { maximumExpiresSeconds } from './refresh-schedule.ts'
import { RegistrationBinding } from './registration-binding.ts'
import type { Account, Registered, RegistrationFlow, RegistrationState, SipRegistration } from './session.ts'

/** RFC 5626 4.2.1 leaves it open; more ways than these lead nowhere else. */
const maximumFlows = 4

export class Registration implements SipRegistration {
  onState: ((state: RegistrationState) => void) | undefined
  state: RegistrationState = { state: 'registering' }

  private readonly own: Identity
  private readonly registrar: string
  private readonly servers: readonly string[]
  private readonly instanceId: string
  private readonly expiresSeconds: number
  private readonly bindings: RegistrationBinding[] = []

  constructor(
    private readonly context: AgentContext,
    private readonly account: Account,
    expiresSeconds: number,
  ) {
    this.own = context.identityOf(account)
    this.expiresSeconds = Math.min(Math.max(1, Math.round(expiresSeconds)), maximumExpiresSeconds)
    this.instanceId = account.instanceId ?? instanceUrn(context.random.bytes(16))
    // RFC 3261 10.2: the Request-URI is the domain of the address of record.
    this.registrar = account.aor.replace(/^(sips?:)[^@]*@/i, '$1').replace(/[;?].*$/, '')
    const servers = serversOf(account)
    this.servers = servers.length > 0 ? servers : [this.registrar]
    this.bindings.push(this.binding(this.servers, 1))
  }

  /** As who, and how, the account's calls are made now. */
  get identity(): Identity {
    const { identity = this.own, answer } = this.up ?? {}
    const registration = this
    return {
      ...identity,
      ...(answer?.serviceRoutes.length && { routes: [...(identity.routes ?? []), ...answer.serviceRoutes] }),
      get contact() {
        return registration.contactOfCalls
      },
      anonymousContact: answer?.gruu?.temporary,
    }
  }

  /** Undefined: the flow's own address. */
  private get contactOfCalls(): string | undefined {
    const { answer, contact } = this.up ?? {}
    const gruu = answer?.gruu?.public ?? answer?.gruu?.temporary
    // Without a proxy of our own calls go to many places, each of which may see us elsewhere.
    return gruu ?? (this.own.hop && answer && contact?.forCalls(answer.outbound))
  }

  private get up(): RegistrationBinding | undefined {
    return this.bindings.find(({ state }) => state.state === 'registered')
  }

  /** Whether it is that account's. */
  isOf({ aor, username, password }: Account): boolean {
    const own = this.account
    return own.aor === aor && own.username === username && own.password === password
  }

  /** Whether calls for that user part from that IP address are this account's: its registrar sends them. */
  serves(user: string | undefined, address: string): boolean {
    return this.own.user === user && this.isAt(address)
  }

  /** Whether its registrar answers from that IP address. */
  isAt(address: string): boolean {
    return this.bindings.some(({ flow }) => flow?.remote.address === address)
  }

  refresh(): void {
    for (const binding of this.bindings) binding.refresh()
  }

  async unregister(): Promise<void> {
    await Promise.all(this.bindings.map((binding) => binding.unregister()))
  }

  flowClosed(flow: Flow): void {
    for (const binding of this.bindings) binding.flowClosed(flow)
  }

  /** A datagram that is no SIP: the answer to a keep-alive, maybe. */
  foreign(data: Uint8Array, flow: Flow): void {
    for (const binding of this.bindings) binding.foreign(data, flow)
  }

  /** The user agent stops: nothing more is sent. */
  abandon(): void {
    for (const binding of this.bindings) binding.abandon()
  }

  private binding(servers: readonly string[], regId: number): RegistrationBinding {
    return new RegistrationBinding(this.context, {
      identityAt: (server) =>
        this.own.hop ? this.context.identityOf({ ...this.account, server }) : this.own,
      registrar: this.registrar,
      servers,
      regId,
      instanceId: this.instanceId,
      expiresSeconds: this.expiresSeconds,
      othersUp: () =>
        this.bindings.some(({ regId: other, state }) => other !== regId && state.state === 'registered'),
      onChange: (binding) => this.changed(binding),
    })
  }

  private changed(binding: RegistrationBinding): void {
    if (this.bindings.length === 1 && this.servers.length > 1 && binding.answer?.outbound) {
      binding.stayHere()
      const others = this.servers.filter((server) => server !== binding.server)
      for (const server of others.slice(0, maximumFlows - 1))
        this.bindings.push(this.binding([server], this.bindings.length + 1))
    }
    const before = this.state
    this.state = this.together(binding)
    if (this.state.state === 'unregistered' && before.state === 'unregistered') return
    const { state } = this
    this.context.guard('onState', () => this.onState?.(state))
  }

  /** Registered over any flow is registered; else what happened last. */
  private together(last: RegistrationBinding): RegistrationState {
    const { up } = this
    if (up) return this.registered(up)
    const { state } = last
    return state.state === 'registered' ? { state: 'registering' } : state
  }

  private registered(up: RegistrationBinding): Registered {
    const { answer, contact, refreshAt, rttMs } = up
    const seen = contact.seenFromOutside
    const lastFailure = this.bindings
      .flatMap((binding) => binding.lastFailure ?? [])
      .sort((a, b) => b.at - a.at)[0]
    return {
      state: 'registered',
      expiresSeconds: answer?.expiresSeconds ?? this.expiresSeconds,
      contact: answer?.contact ?? contact.uri,
      registrar: this.registrar,
      server: up.server,
      ...(seen && { seenAs: formatAddress(seen) }),
      ...(rttMs !== undefined && { rttMs }),
      ...(refreshAt !== undefined && { refreshInMs: refreshAt - this.context.clock.now() }),
      flows: this.bindings.map(flowOf),
      ...(answer?.gruu && { gruu: answer.gruu }),
      ...(answer?.serviceRoutes.length && { serviceRoutes: answer.serviceRoutes }),
      ...(answer?.identities.length && { identities: answer.identities }),
      ...(lastFailure && { lastFailure }),
    }
  }
}

function flowOf(binding: RegistrationBinding): RegistrationFlow {
  const { regId, server, state, flow, keepAlive, rttMs, lastFailure } = binding
  const latestRttMs = keepAlive?.rttMs ?? rttMs
  return {
    regId,
    server,
    state: state.state,
    ...(flow && { protocol: flow.protocol, local: flow.sentBy, remote: flow.remote }),
    ...(keepAlive && { keepAlive: keepAlive.kind }),
    ...(latestRttMs !== undefined && { rttMs: latestRttMs }),
    ...(lastFailure && { lastFailure }),
  }
}

/** The servers of an account, in order of preference. */
export const serversOf = ({ server }: Account): readonly string[] =>
  server === undefined ? [] : typeof server === 'string' ? [server] : server

/** RFC 9562 5.8: a UUID of our own making, as a URN (RFC 5626 4.1). */
function instanceUrn(octets: Uint8Array): string {
  const bytes = Buffer.from(octets.subarray(0, 16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
  return `urn:uuid:${parts.join('-')}`
}

/** The same for the same names: of the machine, of the account, of the port that it holds. */
export const instanceOf = (...names: readonly string[]): string =>
  instanceUrn(createHash('sha256').update(names.join('\0')).digest())
