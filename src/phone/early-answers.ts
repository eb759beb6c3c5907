// The answers that the forks of one INVITE give before the final one (RFC 3261 13.2.2.1), by their To tag. The fork that answers
// last is heard; what one repeats changes nothing, and what cannot be used may still be another's call.
import type { Body } from '../sip/session.ts'
import type { FactBody } from '../trace/facts.ts'
import { toError } from './call-errors.ts'
import type { CallMedia } from './call-media.ts'

/** Of one INVITE; whoever answers. */
const maximumForks = 16

export class EarlyAnswers {
  private readonly byTag = new Map<string, Body>()
  /** Whose media is heard. */
  private current: string | undefined
  private readonly final = new Set<string>()

  constructor(
    private readonly media: CallMedia,
    private readonly record: (fact: FactBody) => void,
  ) {}

  /** @param reliable nothing that the fork says later replaces it, but an offer (RFC 3262 5, RFC 3261 13.2.1)
   *  @returns whether media now follows this answer */
  use(remoteTag: string, answer: Body, reliable = false): boolean {
    if (reliable) this.final.add(remoteTag)
    if (this.byTag.has(remoteTag) || this.byTag.size >= maximumForks) return false
    this.byTag.set(remoteTag, answer)
    try {
      this.media.accept(answer)
      this.current = remoteTag
      return true
    } catch (error) {
      const message = `early answer not used: ${toError(error).message}`
      this.record({ layer: 'call', type: 'warning', message })
      return false
    }
  }

  /** An offer of this fork is answered: media follows it. */
  answered(remoteTag: string): void {
    this.current = remoteTag
    this.final.add(remoteTag)
  }

  /** Whether media follows what this fork has said for good, so that its 2xx says nothing new. */
  isSettled(remoteTag: string): boolean {
    return this.current === remoteTag && this.final.has(remoteTag)
  }

  /** Whether an offer of this fork in the early dialog is for the media that is heard. */
  isCurrent(remoteTag: string): boolean {
    return this.current === remoteTag
  }

  get(remoteTag: string): Body | undefined {
    return this.byTag.get(remoteTag)
  }
}
