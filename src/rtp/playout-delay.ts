// How long packets must wait, from how long they took on the way: a histogram of their transit times that forgets. The delay
// is the one that costs least, where a late packet has its price in milliseconds, as G.107 weighs loss against delay; it is
// never less than what even the quickest of the newest packets took, so that a path that has become longer is followed at once.
// Transit times are relative: ticks of our play-out less the RTP timestamp (Moon, Kurose, Towsley 1998 need no more), counted
// when a packet is read. So what is too late for the next frame is late here, whatever the clocks say; and the sender's clock
// drift is a transit time that moves.

/** What the delay may be, above the transit time of most packets. */
export interface DelayBounds {
  minimumMs: number
  maximumMs: number
}

/** Fine enough beside packet times, and 200 of them are 300 ms below and 700 ms above the usual. */
const bucketMs = 5
const buckets = 200
const usualBucket = 60
/** Of packets that are shorter or longer than our frames several come for one, or one for several, each later than the one before:
 *  this share lies within one of these groups, not between two, for up to six. */
const usualShare = 0.45
/** The first packet counts as so many, for what is usual. */
const firstPackets = 8
/** Kept within so many of `usualBucket`. */
const slackBuckets = 20
/** A packet counts 1/e after so many. */
const memoryPackets = 500
/** What a per cent of late packets may cost. By Cole and Rosenbluth's reduction of G.107 it would be 150 ms for G.711 with concealment
 *  below 177 ms mouth to ear, and 27 ms above. */
const msForLatePercent = 30
/** What is not known yet counts as one packet that came so much later. */
const startMs = 40
/** All of so many newest packets later than the delay: the path has changed. */
const newestPackets = 10
/** Weights grow instead of fading; they are brought down before they lose precision. */
const largestWeight = 1e9

export class PlayoutDelay {
  /** How long packets usually take, and how long after its timestamp a packet is to be played. Ticks, as transit times. */
  usualTicks = 0
  targetTicks = 0
  private readonly weights = new Float64Array(buckets)
  private total = 0
  private weight = 1
  /** Transit time of the upper edge of bucket 0. */
  private origin = 0
  private readonly newest = new Int32Array(newestPackets)
  private newestAt = 0
  private readonly bucketTicks: number
  private readonly minimumTicks: number
  private readonly maximumTicks: number
  private readonly startTicks: number
  private readonly ticksForLateShare: number

  constructor(clockRateHz: number, bounds: DelayBounds) {
    const ticksOf = (ms: number): number => Math.round((ms * clockRateHz) / 1000)
    this.bucketTicks = ticksOf(bucketMs)
    this.minimumTicks = ticksOf(bounds.minimumMs)
    this.maximumTicks = ticksOf(bounds.maximumMs)
    this.startTicks = ticksOf(startMs)
    this.ticksForLateShare = 100 * ticksOf(msForLatePercent)
    this.begin(0)
  }

  /** The most that a packet may be played after its timestamp. */
  get limitTicks(): number {
    return (this.usualTicks + this.maximumTicks) | 0
  }

  /** Forgets everything but the first packet. */
  begin(transitTicks: number): void {
    this.weights.fill(0)
    this.total = 0
    this.weight = 1
    this.origin = (transitTicks - usualBucket * this.bucketTicks) | 0
    this.newest.fill(transitTicks)
    this.add(transitTicks, firstPackets)
    this.add(transitTicks + this.startTicks)
    this.settle()
  }

  /** A packet was read. */
  observe(transitTicks: number): void {
    this.weight *= 1 + 1 / memoryPackets
    if (this.weight > largestWeight) this.lighten()
    this.newest[this.newestAt] = transitTicks
    this.newestAt = (this.newestAt + 1) % newestPackets
    this.add(transitTicks)
    this.settle()
  }

  /** The sender's time line goes on elsewhere: all transit times are longer by so much. */
  shift(ticks: number): void {
    this.origin = (this.origin + ticks) | 0
    for (let i = 0; i < newestPackets; i++) this.newest[i]! += ticks
    this.settle()
  }

  private add(transitTicks: number, packets = 1): void {
    const index = Math.ceil(((transitTicks - this.origin) | 0) / this.bucketTicks)
    this.weights[Math.max(0, Math.min(buckets - 1, index))]! += packets * this.weight
    this.total += packets * this.weight
  }

  private settle(): void {
    const { weights, total, bucketTicks, origin } = this
    let usual = 0
    for (let below = weights[0]!; below < usualShare * total; below += weights[usual]!) usual++
    const least = usual * bucketTicks + this.minimumTicks
    const most = usual * bucketTicks + this.maximumTicks
    let cheapest = most
    let price = Number.POSITIVE_INFINITY
    let late = 0
    for (let i = buckets - 1; i * bucketTicks >= least; i--) {
      const cost = i * bucketTicks + (this.ticksForLateShare * late) / total
      if (cost < price) {
        price = cost
        cheapest = i * bucketTicks
      }
      late += weights[i]!
    }
    let quickest = Number.POSITIVE_INFINITY
    for (let i = 0; i < newestPackets; i++) quickest = Math.min(quickest, (this.newest[i]! - origin) | 0)
    this.usualTicks = (origin + usual * bucketTicks) | 0
    this.targetTicks = (origin + Math.min(most, Math.max(least, cheapest, quickest))) | 0
    if (Math.abs(usual - usualBucket) > slackBuckets) this.recentre(usual - usualBucket)
  }

  /** Bucket `by` becomes bucket 0. What falls out at an end stays in the last one there. */
  private recentre(by: number): void {
    const { weights } = this
    const moved = new Float64Array(buckets)
    for (let i = 0; i < buckets; i++) moved[Math.max(0, Math.min(buckets - 1, i - by))]! += weights[i]!
    weights.set(moved)
    this.origin = (this.origin + by * this.bucketTicks) | 0
  }

  private lighten(): void {
    for (let i = 0; i < buckets; i++) this.weights[i]! /= this.weight
    this.total /= this.weight
    this.weight = 1
  }
}
