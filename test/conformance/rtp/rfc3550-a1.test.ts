// RFC 3550 appendix A.1, its cases one by one, against a transcription of the appendix' own code.
import { describe, expect, it } from 'vitest'
import { SequenceTracker } from '../../../src/rtp/sequence.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

/** update_seq and init_seq of the appendix; returns what the C code returns. */
class Appendix {
  maxSeq = 0
  cycles = 0
  baseSeq = 0
  badSeq = 0
  probation = 2
  constructor(seq: number) {
    this.init(seq)
    this.maxSeq = (seq - 1) & 0xffff
    this.probation = 2
  }
  init(seq: number) {
    this.baseSeq = seq
    this.maxSeq = seq
    this.badSeq = 65_537
    this.cycles = 0
  }
  update(seq: number): 0 | 1 {
    const udelta = (seq - this.maxSeq) & 0xffff
    if (this.probation) {
      if (seq === ((this.maxSeq + 1) & 0xffff)) {
        this.probation--
        this.maxSeq = seq
        if (this.probation === 0) {
          this.init(seq)
          return 1
        }
      } else {
        this.probation = 1
        this.maxSeq = seq
      }
      return 0
    }
    if (udelta < 3000) {
      if (seq < this.maxSeq) this.cycles += 65_536
      this.maxSeq = seq
    } else if (udelta <= 65_536 - 100) {
      if (seq === this.badSeq) this.init(seq)
      else {
        this.badSeq = (seq + 1) & 0xffff
        return 0
      }
    }
    return 1
  }
}

describe('RFC 3550 A.1', () => {
  it('believes a source after two packets in sequence', () => {
    const tracker = new SequenceTracker()
    expect([7, 9, 10].map((n) => tracker.update(n))).toEqual(['probation', 'probation', 'accepted'])
    expect(tracker.base).toBe(10)
  })

  it.each([
    ['the largest step that is loss', 2999, 'accepted'],
    ['the smallest step that is a jump', 3000, 'jump'],
    ['the largest step that is a jump', 65_536 - 100, 'jump'],
    ['the largest step back that is reordering', 65_536 - 99, 'accepted'],
  ])('%s', (_, step, verdict) => {
    const tracker = new SequenceTracker(1)
    tracker.update(500)
    expect(tracker.update((500 + step) & 0xffff)).toBe(verdict)
  })

  it('agrees with the code of the appendix on 200,000 numbers', () => {
    const random = new SeededRandom(3550)
    let seq = random.integer(65_536)
    const tracker = new SequenceTracker()
    const appendix = new Appendix(seq)
    for (let i = 0; i < 200_000; i++) {
      const verdict = tracker.update(seq)
      const accepted = verdict === 'accepted' || verdict === 'restarted' ? 1 : 0
      const agrees =
        accepted === appendix.update(seq) &&
        (!accepted ||
          (tracker.highest === appendix.cycles + appendix.maxSeq && tracker.base === appendix.baseSeq))
      if (!agrees) expect.fail(`packet ${i}, number ${seq}: ${verdict}, highest ${tracker.highest}`)
      const what = random.integer(1000)
      if (what < 900) seq += 1
      else if (what < 950) seq += random.integer(50)
      else if (what < 990) seq -= random.integer(110)
      else seq = random.integer(65_536)
      seq &= 0xffff
    }
  })
})
