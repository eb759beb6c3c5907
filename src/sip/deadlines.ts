// The deadlines of many transactions, soonest first: a binary heap. An owner carries its valid deadline itself; entries that
// no longer agree with it are stale and fall out when they come up, so moving a deadline costs one insertion.
import type { Millis } from '../runtime/runtime.ts'

export interface DeadlineOwner {
  /** Infinity: none. */
  deadline: Millis
}

interface Entry<T> {
  at: Millis
  owner: T
}

export class DeadlineQueue<T extends DeadlineOwner> {
  private readonly heap: Entry<T>[] = []

  /** Sets the owner's deadline. */
  schedule(owner: T, at: Millis): void {
    if (owner.deadline === at) return
    owner.deadline = at
    if (at === Number.POSITIVE_INFINITY) return
    const { heap } = this
    const entry = { at, owner }
    let i = heap.length
    heap.push(entry)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (heap[parent]!.at <= at) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = entry
  }

  next(): Millis | undefined {
    while (this.heap.length > 0 && this.heap[0]!.owner.deadline !== this.heap[0]!.at) this.removeFirst()
    return this.heap[0]?.at
  }

  /** An owner whose deadline has come; its deadline is then Infinity until it is scheduled again. */
  takeDue(now: Millis): T | undefined {
    const at = this.next()
    if (at === undefined || at > now) return undefined
    const { owner } = this.heap[0]!
    this.removeFirst()
    owner.deadline = Number.POSITIVE_INFINITY
    return owner
  }

  private removeFirst(): void {
    const { heap } = this
    const last = heap.pop()!
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++
      if (heap[child]!.at >= last.at) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}
