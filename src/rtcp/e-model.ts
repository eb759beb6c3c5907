// How good a call sounds, computed from what can be measured of its packets: the E-model of ITU-T G.107 (06/2015), from impairments to
// the rating R (7.1 to 7.5) and to a mean opinion score (annex B). What a phone cannot know of rooms, handsets and lines is at
// the default of table 2. An estimate, on the narrow-band scale. Leaves out the advantage factor, and wide band (G.107.1).

/** How a codec fares by itself and under loss (G.113 appendix I). */
export interface CodecImpairment {
  /** Ie: without loss. */
  equipment: number
  /** Bpl: the greater, the less a loss is heard. */
  lossRobustness: number
}

/** G.113 table I.3: G.711, losses concealed in the manner of its appendix I, and left silent. */
export const concealedLosses: CodecImpairment = { equipment: 0, lossRobustness: 25.1 }
export const silentLosses: CodecImpairment = { equipment: 0, lossRobustness: 4.3 }

export interface Transmission {
  codec: CodecImpairment
  /** Packets that were not played: lost, or too late. */
  lossPercent: number
  /** Mean length of losses in a row, beside that of random loss; 1 is random, more is bursts. */
  burstRatio: number
  /** From mouth to ear, one way. 0 asks how good it is to listen to. */
  delayMs: number
}

/** Table 2: loudness, sidetone and echo losses in dB, noise in dBm0p and dB(A). */
const sendLoudness = 8
const receiveLoudness = 2
const sidetone = 15
const sideFactorReceive = 3
const sideFactorSend = 3
const talkerEcho = 65
const echoPath = 110
const circuitNoise = -70
const noiseFloor = -64
const roomNoise = 35
const quantizingUnits = 1
const overallLoudness = sendLoudness + receiveLoudness

const power = (db: number): number => 10 ** (db / 10)
const decibels = (value: number): number => 10 * Math.log10(value)
/** A smooth maximum of 1 and x, as the recommendation writes its knees. */
const knee = (x: number, sharpness: number): number => (1 + x ** sharpness) ** (1 / sharpness)

/** All noises, at the 0 dBr point (7.2). */
const noise = decibels(
  power(circuitNoise) +
    power(sendSideNoise()) +
    power(receiveSideNoise()) +
    power(noiseFloor + receiveLoudness),
)
/** Ro (7.2). */
const signalToNoise = 15 - 1.5 * (sendLoudness + noise)

function sendSideNoise(): number {
  const over = roomNoise - overallLoudness - sideFactorSend - 14
  return roomNoise - sendLoudness - sideFactorSend - 100 + 0.004 * over ** 2
}

function receiveSideNoise(): number {
  const listenerSidetone = sidetone + sideFactorReceive
  const effective = roomNoise + decibels(1 + power(10 - listenerSidetone))
  return receiveLoudness - 121 + effective + 0.008 * (effective - 35) ** 2
}

/** R: 93.2 where nothing impairs, below 50 no use; -Infinity and NaN do not come of it. */
export function transmissionRating(transmission: Transmission): number {
  const { delayMs } = transmission
  return (
    signalToNoise -
    simultaneousImpairment(delayMs) -
    talkerEchoImpairment(delayMs) -
    listenerEchoImpairment(2 * delayMs) -
    delayImpairment(delayMs) -
    equipmentImpairment(transmission)
  )
}

/** MOS-CQE of a rating (annex B). */
export function opinionScore(rating: number): number {
  if (rating <= 0) return 1
  if (rating >= 100) return 4.5
  return Math.max(1, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)
}

/** Is (7.3): too loud, sidetone, quantizing. */
function simultaneousImpairment(delayMs: number): number {
  const loudness = overallLoudness + 0.2 * (64 + noise - receiveLoudness)
  const tooLoud = 20 * (knee(loudness / 8, 8) - loudness / 8)
  const heard = -decibels(power(-sidetone) + Math.exp(-delayMs / 4) * power(-talkerEcho))
  const ownVoice =
    12 * knee(Math.abs(heard - 13) / 6, 8) -
    28 * knee((heard + 1) / 19.4, 35) -
    13 * knee((heard - 3) / 33, 13) +
    29
  const distortion = 37 - decibels(quantizingUnits) * 1.5
  const grade = 1.07 + 0.258 * distortion + 0.0602 * distortion ** 2
  const quantizing =
    15 *
    Math.log10(1 + 10 ** ((signalToNoise - 100) / 15 + 46 / 8.4 - grade / 9) + 10 ** (46 / 30 - grade / 40))
  return tooLoud + ownVoice + quantizing
}

/** Idte (7.4). */
function talkerEchoImpairment(delayMs: number): number {
  const echoLoss =
    talkerEcho - 40 * Math.log10((1 + delayMs / 10) / (1 + delayMs / 150)) + 6 * Math.exp(-0.3 * delayMs ** 2)
  const difference = -1.5 * (noise - receiveLoudness) - (80 + 2.5 * (echoLoss - 14))
  return (difference / 2 + Math.sqrt(difference ** 2 / 4 + 100) - 1) * (1 - Math.exp(-delayMs))
}

/** Idle (7.4). */
function listenerEchoImpairment(roundTripMs: number): number {
  const difference = signalToNoise - 10.5 * (echoPath + 7) * (roundTripMs + 1) ** -0.25
  return difference / 2 + Math.sqrt(difference ** 2 / 4 + 169)
}

/** Idd (7.4): what delay does without any echo. */
function delayImpairment(delayMs: number): number {
  if (delayMs <= 100) return 0
  const octaves = Math.log2(delayMs / 100)
  return 25 * (knee(octaves, 6) - 3 * knee(octaves / 3, 6) + 2)
}

/** Ie-eff (7.5). */
function equipmentImpairment({ codec, lossPercent, burstRatio }: Transmission): number {
  const { equipment, lossRobustness } = codec
  return equipment + ((95 - equipment) * lossPercent) / (lossPercent / burstRatio + lossRobustness)
}
