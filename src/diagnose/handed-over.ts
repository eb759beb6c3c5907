// Where a call was sent by others: redirections that were followed, transfers and what became of them.
import type { CallFact, Fact } from '../trace/facts.ts'
import { all } from './selecting.ts'

export interface RedirectReport {
  status: number
  /** Who was called then. */
  target: string
}

export interface TransferReport {
  /** transferor: we handed the far end over; transferee: we were handed over. */
  role: 'transferor' | 'transferee'
  target: string
  /** The last that was heard of the call to the target. */
  status?: number
  reason?: string
}

/** Only what there is. */
export function handedOver(facts: readonly Fact[]): {
  redirects?: RedirectReport[]
  transfers?: TransferReport[]
} {
  const redirects = all(facts, 'call', 'redirect').map(({ status, target }) => ({ status, target }))
  const transfers: TransferReport[] = []
  for (const { role, target, status, reason } of all(facts, 'call', 'transfer')) {
    const known = transfers.at(-1)
    if (status === undefined || !known) transfers.push({ role, target })
    else Object.assign(known, { status, ...(reason && { reason }) })
  }
  return { ...(redirects.length > 0 && { redirects }), ...(transfers.length > 0 && { transfers }) }
}

export const redirectText = ({ status, target }: RedirectReport): string => `${status} -> ${target}`

export function transferText({ role, target, status, reason }: TransferReport): string {
  const what = role === 'transferor' ? `far end to ${target}` : `we, to ${target}`
  return status === undefined ? what : `${what}: ${status} ${reason ?? ''}`.trimEnd()
}

/** For the ladder. */
export const handedOverMilestone = (fact: Extract<CallFact, { type: 'redirect' | 'transfer' }>): string => {
  if (fact.type === 'redirect') return `redirected (${fact.status}) to ${fact.target}`
  const { role, target, status, reason = '' } = fact
  const what = role === 'transferor' ? `transfer of the far end to ${target}` : `our transfer to ${target}`
  return status === undefined ? what : `${what}: ${status} ${reason}`.trimEnd()
}
