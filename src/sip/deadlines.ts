// The deadlines of many transactions, soonest first: a binary heap in which every owner knows its own place. Moving a deadline
// moves the owner, and one without a deadline is not in the heap: what is over is not held by a deadline it once had.
import type { Millis } from '../runtime/runtime.ts'

export interface DeadlineOwner {
  /** Infinity: none. Set by `schedule` alone. */
  deadline: Millis
  /** Its place in the heap; -1 where it has no deadline. */
  heapIndex: number
}

export class DeadlineQueue<T extends DeadlineOwner> {
  private readonly heap: T[] = []

  /** Sets the owner's deadline; Infinity takes it out. */
  schedule(owner: T, at: Millis): void {
    if (owner.deadline === at) return
    owner.deadline = at
    if (at === Number.POSITIVE_INFINITY) this.remove(owner)
    else this.settle(owner, owner.heapIndex < 0 ? this.heap.length : owner.heapIndex)
  }

  next(): Millis | undefined {
    return this.heap[0]?.deadline
  }

  /** An owner whose deadline has come; its deadline is then Infinity until it is scheduled again. */
  takeDue(now: Millis): T | undefined {
    const first = this.heap[0]
    if (first === undefined || first.deadline > now) return undefined
    this.schedule(first, Number.POSITIVE_INFINITY)
    return first
  }

  private remove(owner: T): void {
    const hole = owner.heapIndex
    owner.heapIndex = -1
    const last = this.heap.pop()!
    if (last !== owner) this.settle(last, hole)
  }

  /** Puts the owner where it belongs, up or down from a place that is free. */
  private settle(owner: T, free: number): void {
    const { heap } = this
    let i = free
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (heap[parent]!.deadline <= owner.deadline) break
      this.place(heap[parent]!, i)
      i = parent
    }
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.deadline < heap[child]!.deadline) child++
      if (heap[child]!.deadline >= owner.deadline) break
      this.place(heap[child]!, i)
      i = child
    }
    this.place(owner, i)
  }

  private place(owner: T, index: number): void {
    this.heap[index] = owner
    owner.heapIndex = index
  }
}
