// NTP timestamps of sender reports and the round-trip time that follows from them (RFC 3550 4, 6.4.1).

/** Seconds from 1900 to 1970 (RFC 868, RFC 3550 4). */
const ntpEpochOffsetSeconds = 2_208_988_800

export interface NtpTime {
  seconds: number
  /** Of 2^32. */
  fraction: number
}

/** @param wallTimeMs milliseconds since 1970-01-01 UTC, fractional */
export function ntpTime(wallTimeMs: number): NtpTime {
  const seconds = Math.floor(wallTimeMs / 1000)
  return {
    seconds: (seconds + ntpEpochOffsetSeconds) >>> 0,
    fraction: Math.floor((wallTimeMs / 1000 - seconds) * 4_294_967_296) >>> 0,
  }
}

/** The middle 32 bits: 1/65536 s, what LSR carries. */
export const compactNtp = (time: NtpTime): number => ((time.seconds << 16) | (time.fraction >>> 16)) >>> 0

/** Milliseconds as DLSR carries them: 1/65536 s. */
export const compactDelay = (delayMs: number): number => Math.round((delayMs * 65_536) / 1000) >>> 0

/**
 * Round trip from a report block that arrived at `arrivalCompactNtp` (RFC 3550 6.4.1, figure 2).
 * Undefined where the peer had no SR of ours yet, or where the result makes no sense (clock stepped, nonsense fields).
 */
export function roundTripMs(
  arrivalCompactNtp: number,
  lastSenderReport: number,
  delaySinceLastSenderReport: number,
): number | undefined {
  if (lastSenderReport === 0) return undefined
  const ticks = (arrivalCompactNtp - lastSenderReport - delaySinceLastSenderReport) | 0
  // A peer's rounding may make a round trip of microseconds slightly negative.
  if (ticks < -655 || ticks > 65_536 * 60) return undefined
  return (Math.max(0, ticks) / 65_536) * 1000
}
