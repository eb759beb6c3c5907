// Least, greatest, mean and standard deviation of numbers that are not kept.

export class Spread {
  private count = 0
  private least = Number.POSITIVE_INFINITY
  private greatest = 0
  private sum = 0
  private squares = 0

  add(value: number): void {
    this.count++
    if (value < this.least) this.least = value
    if (value > this.greatest) this.greatest = value
    this.sum += value
    this.squares += value * value
  }

  /** Whole numbers, and begins anew; undefined where there was nothing. */
  take(): { minimum: number; maximum: number; mean: number; deviation: number } | undefined {
    const { count, least, greatest, sum, squares } = this
    this.count = this.sum = this.squares = this.greatest = 0
    this.least = Number.POSITIVE_INFINITY
    if (count === 0) return undefined
    const mean = sum / count
    return {
      minimum: whole(least),
      maximum: whole(greatest),
      mean: whole(mean),
      deviation: whole(Math.sqrt(Math.max(0, squares / count - mean * mean))),
    }
  }
}

const whole = (value: number): number => Math.min(0xffff_ffff, Math.round(value))
