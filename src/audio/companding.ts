// The two companding laws of ITU-T G.711 as table lookups: 16-bit linear PCM <-> A-law and mu-law octets. Bit-exact to the
// ITU's reference for all 65,536 inputs. RTP knows them as PCMA and PCMU (src/codec/g711.ts), WAV as formats 6 and 7.

export interface CompandingLaw {
  /** Octet for a sample, indexed by the sample's 16 bits as an unsigned number (`sample & 0xffff`). */
  readonly octetOf: Uint8Array
  /** Sample for an octet. */
  readonly sampleOf: Int16Array
}

/** The sign bit of both laws: set for samples of zero and above. */
const positive = 0x80
/** Every second bit of an A-law octet is inverted on the line (G.711 table 1a, note 2). */
const evenBits = 0x55
/** Added to the 14-bit magnitude before the mu-law segments are formed, taken off after (33 on the scale of 8159). */
const muBias = 33
const muLargest = 0x1fff

/** A 12-bit magnitude on thirteen segments. A negative sample's magnitude is its one's complement, as in the ITU's reference. */
function aLawOctet(sample: number): number {
  const magnitude = (sample < 0 ? ~sample : sample) >> 4
  const sign = sample < 0 ? 0 : positive
  const segment = magnitude < 32 ? magnitude >> 4 : 28 - Math.clz32(magnitude)
  const step = segment < 2 ? magnitude & 15 : (magnitude >> (segment - 1)) & 15
  return (sign | (segment << 4) | step) ^ evenBits
}

function aLawSample(octet: number): number {
  const code = octet ^ evenBits
  const segment = (code >> 4) & 7
  const step = code & 15
  const magnitude = segment === 0 ? (step << 4) + 8 : ((step << 4) + 0x108) << (segment - 1)
  return code & positive ? magnitude : -magnitude
}

/** A 14-bit magnitude on fifteen segments; all bits but the sign are inverted on the line. */
function muLawOctet(sample: number): number {
  const magnitude = Math.min(((sample < 0 ? ~sample : sample) >> 2) + muBias, muLargest)
  const segment = 26 - Math.clz32(magnitude)
  const step = (magnitude >> (segment + 1)) & 15
  const sign = sample < 0 ? 0 : positive
  return sign | (~((segment << 4) | step) & 0x7f)
}

function muLawSample(octet: number): number {
  const code = ~octet & 0x7f
  const segment = code >> 4
  const step = code & 15
  const magnitude = ((((step << 1) + muBias) << segment) - muBias) << 2
  return octet & positive ? magnitude : -magnitude
}

function tabulate(octet: (sample: number) => number, sample: (octet: number) => number): CompandingLaw {
  const octetOf = new Uint8Array(0x1_0000)
  for (let bits = 0; bits < octetOf.length; bits++) octetOf[bits] = octet((bits << 16) >> 16)
  return { octetOf, sampleOf: Int16Array.from({ length: 256 }, (_, code) => sample(code)) }
}

export const aLaw: CompandingLaw = tabulate(aLawOctet, aLawSample)
export const muLaw: CompandingLaw = tabulate(muLawOctet, muLawSample)
