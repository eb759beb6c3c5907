// What `floe register --watch` knows of one account: its state, how often it was lost, what went wrong last; as a living line for
// people and as an object for machines.
import type { RegistrationState } from '../index.ts'
import { describeFailure } from './text.ts'

export class WatchedRegistration {
  state: RegistrationState = { state: 'registering' }
  /** Successful REGISTERs, the first and every refresh. */
  registrations = 0
  /** How often it was registered and then was not. */
  flaps = 0
  private lastFailure: { status: number; reason: string; unanswered?: true; at: number } | undefined
  private heardAt = 0
  private up = false

  /** @param now wall-clock ms */
  constructor(
    readonly account: string,
    private readonly now: () => number,
  ) {}

  take(state: RegistrationState): void {
    this.state = state
    this.heardAt = this.now()
    const isUp = state.state === 'registered'
    if (isUp) this.registrations++
    if (this.up && !isUp && state.state !== 'unregistered') this.flaps++
    this.up = isUp
    if (state.state === 'failed') {
      const { status, reason, unanswered } = state
      this.lastFailure = { status, reason, ...(unanswered && { unanswered }), at: this.heardAt }
    } else if (isUp && state.lastFailure) this.lastFailure = state.lastFailure
  }

  /** Nothing will be tried any more. */
  get isOver(): boolean {
    return this.state.state === 'failed' && this.state.retryInMs === undefined
  }

  get event(): Record<string, unknown> {
    const { account, state, registrations, flaps, lastFailure } = this
    return {
      type: 'registration',
      account,
      ...state,
      registrations,
      flaps,
      ...(lastFailure && { lastFailure }),
    }
  }

  /** What matters most stands first: a narrow terminal cuts the end off. */
  get line(): string {
    const { account, flaps, lastFailure, state } = this
    const parts = [`${account}  ${this.standing}`]
    if (flaps > 0) parts.push(flaps === 1 ? 'lost once' : `lost ${flaps} times`)
    // What stands there already is not said twice.
    if (lastFailure && state.state !== 'failed')
      parts.push(`last failure ${timeOf(lastFailure.at)}: ${describeFailure(lastFailure)}`)
    if (state.state === 'registered') {
      if (state.seenAs !== undefined) parts.push(`seen as ${state.seenAs}`)
      parts.push(`contact ${state.contact}`)
    }
    return parts.join(' · ')
  }

  private get standing(): string {
    const { state } = this
    const passedMs = this.now() - this.heardAt
    const left = (ms: number): string => `${Math.max(0, Math.round((ms - passedMs) / 1000))} s`
    if (state.state === 'failed') {
      const next = state.retryInMs === undefined ? 'not tried again' : `next try in ${left(state.retryInMs)}`
      return `failed: ${describeFailure(state)}, ${next}`
    }
    if (state.state !== 'registered') return state.state
    const parts = [
      `registered at ${state.server}`,
      ...(state.flows.length > 1 ? [flowsOf(state)] : []),
      `for ${left(state.expiresSeconds * 1000)}`,
      ...(state.refreshInMs === undefined ? [] : [`refresh in ${left(state.refreshInMs)}`]),
      ...(state.rttMs === undefined ? [] : [`RTT ${Math.round(state.rttMs)} ms`]),
    ]
    return parts.join(' · ')
  }
}

const flowsOf = ({ flows }: Extract<RegistrationState, { state: 'registered' }>): string =>
  `${flows.filter(({ state }) => state === 'registered').length} of ${flows.length} flows`

const timeOf = (at: number): string => new Date(at).toTimeString().slice(0, 8)
