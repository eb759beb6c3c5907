import { expect, it } from 'vitest'
import { SeededRandom } from '../../../src/sim/random.ts'
import { type DeadlineOwner, DeadlineQueue } from '../../../src/sip/deadlines.ts'

const owner = (): DeadlineOwner => ({ deadline: Number.POSITIVE_INFINITY, heapIndex: -1 })

it('gives every owner back at its last deadline, in order, and nothing else', () => {
  const random = new SeededRandom(4)
  const queue = new DeadlineQueue<DeadlineOwner>()
  const owners = Array.from({ length: 300 }, owner)
  for (let i = 0; i < 5_000; i++) {
    const at = random.integer(8) === 0 ? Number.POSITIVE_INFINITY : random.integer(1_000)
    queue.schedule(owners[random.integer(owners.length)]!, at)
  }
  const expected = owners.map(({ deadline }) => deadline).filter(Number.isFinite)
  const taken: number[] = []
  for (let at = queue.next(); at !== undefined; at = queue.next()) {
    expect(queue.takeDue(at - 0.5)).toBeUndefined()
    expect(queue.takeDue(at)).toMatchObject({ deadline: Number.POSITIVE_INFINITY, heapIndex: -1 })
    taken.push(at)
  }
  expect(taken).toEqual(expected.sort((a, b) => a - b))
})

it('holds no owner by a deadline that was moved', () => {
  const queue = new DeadlineQueue<DeadlineOwner>()
  const moved = owner()
  queue.schedule(owner(), 1_000)
  queue.schedule(moved, 900_000)
  queue.schedule(moved, 500)
  expect(queue.takeDue(500)).toBe(moved)
  expect(queue.takeDue(1_000)).not.toBe(moved)
  expect(queue.next()).toBeUndefined()
})
