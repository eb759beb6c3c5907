// What a description says of RTCP beside its port: extended reports wanted (a=rtcp-xr, RFC 3611 5), reduced size (a=rtcp-rsize,
// RFC 5506 5), nothing but multiplexed (a=rtcp-mux-only, RFC 8858), bandwidth (b=RS and b=RR, RFC 3556).
import type { ExtendedReportsAttribute, RtcpDescription } from './description.ts'
import { hasFlag } from './ice-attributes.ts'

/** What we ask for; without the "a=". */
const ownExtendedReports = 'rtcp-xr:rcvr-rtt=all voip-metrics'
/** What it takes of a message. */
export const extendedReportsLengthBytes = ownExtendedReports.length + 'a=\r\n'.length

export const readRtcpAttributes = (own: readonly string[], head: readonly string[]): RtcpDescription => {
  const find = (start: RegExp): string | undefined =>
    own.find((line) => start.test(line)) ?? head.find((line) => start.test(line))
  const extended = find(/^a=rtcp-xr(:|$)/)?.slice('a=rtcp-xr:'.length)
  const extendedReports = extended === undefined ? undefined : readExtendedReports(extended)
  const bits = (modifier: string): number | undefined => {
    const digits = /^b=..:(\d{1,9})\s*$/.exec(find(new RegExp(`^b=${modifier}:`)) ?? '')?.[1]
    return digits === undefined ? undefined : Number(digits)
  }
  const [senders, receivers] = [bits('RS'), bits('RR')]
  return {
    ...(extendedReports && { extendedReports }),
    reducedSize: hasFlag(own, 'rtcp-rsize'),
    muxOnly: hasFlag(own, 'rtcp-mux-only'),
    // Of one alone the share of the other is not known.
    ...(senders !== undefined && receivers !== undefined && { bandwidth: { senders, receivers } }),
  }
}

/** Undefined where it wants nothing that we can send. */
const readExtendedReports = (value: string): ExtendedReportsAttribute | undefined => {
  const formats = new Map(
    value
      .trim()
      .toLowerCase()
      .split(/\s+/)
      .map((format) => format.split('=', 2) as [string, string | undefined]),
  )
  const flags = formats.get('stat-summary')?.split(',')
  const summary = formats.has('stat-summary') && {
    lost: flags?.includes('loss') ?? true,
    duplicates: flags?.includes('dup') ?? true,
    jitter: flags?.includes('jitt') ?? true,
  }
  const [roundTrip, voipMetrics] = [formats.has('rcvr-rtt'), formats.has('voip-metrics')]
  if (!roundTrip && !voipMetrics && !summary) return undefined
  return { roundTrip, voipMetrics, ...(summary && { summary }) }
}

/** As lines without their "a=". @param asked whether we want extended reports */
export const writeRtcpAttributes = (asked: boolean, reducedSize: boolean): { value: string }[] => [
  ...(asked ? [{ value: ownExtendedReports }] : []),
  ...(reducedSize ? [{ value: 'rtcp-rsize' }] : []),
]

/** RFC 3556 2. */
export const writeRtcpBandwidth = ({ bandwidth }: RtcpDescription): { type: 'RS' | 'RR'; limit: number }[] =>
  bandwidth
    ? [
        { type: 'RS', limit: bandwidth.senders },
        { type: 'RR', limit: bandwidth.receivers },
      ]
    : []
