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

  constructor(
    private readonly media: CallMedia,
    private readonly record: (fact: FactBody) => void,
  ) {}

  /** Returns whether media now follows this answer. */
  use(remoteTag: string, answer: Body): boolean {
    if (this.byTag.has(remoteTag) || this.byTag.size >= maximumForks) return false
    this.byTag.set(remoteTag, answer)
    try {
      this.media.accept(answer)
      return true
    } catch (error) {
      const message = `early answer not used: ${toError(error).message}`
      this.record({ layer: 'call', type: 'warning', message })
      return false
    }
  }

  get(remoteTag: string): Body | undefined {
    return this.byTag.get(remoteTag)
  }
}
