// Tones as people write them: by frequency ("tone:440", "tone:350+440", "tone:425,0.5s,0.5s"), by what an exchange says with them
// ("busy", "ring-back:de"), and the two by which the directions of a call are told apart ("marker:caller", "marker:callee").
// The tones of exchanges are those of ITU-T E.180 Supplement 2. Leaves out those whose frequency changes.
import { UsageError } from '../errors.ts'
import type { AudioSource } from './frames.ts'
import { repeated, sequence } from './sources.ts'
import { markerTones, silenceFor, type Tone, toneBurst, toneSource } from './tones.ts'

const continuous = (...frequenciesHz: number[]): Tone => ({ frequenciesHz })
/** @param onOffMs on and off in turn, from the beginning again */
const cadence = (frequenciesHz: readonly number[], ...onOffMs: number[]): Tone => ({ frequenciesHz, onOffMs })

/** Where no country is named: what they were named after. */
const defaultCountry = 'us'

const progressTones: Record<string, Record<string, Tone>> = {
  'dial-tone': {
    us: continuous(350, 440),
    uk: continuous(350, 440),
    de: continuous(425),
    fr: continuous(440),
    it: cadence([425], 200, 200, 600, 1000),
    es: continuous(425),
    nl: continuous(425),
  },
  'ring-back': {
    us: cadence([440, 480], 2000, 4000),
    uk: cadence([400, 450], 400, 200, 400, 2000),
    de: cadence([425], 1000, 4000),
    fr: cadence([440], 1500, 3500),
    it: cadence([425], 1000, 4000),
    es: cadence([425], 1500, 3000),
    nl: cadence([425], 1000, 4000),
  },
  busy: {
    us: cadence([480, 620], 500, 500),
    uk: cadence([400], 375, 375),
    de: cadence([425], 480, 480),
    fr: cadence([440], 500, 500),
    it: cadence([425], 500, 500),
    es: cadence([425], 200, 200),
    nl: cadence([425], 500, 500),
  },
  congestion: {
    us: cadence([480, 620], 250, 250),
    uk: cadence([400], 400, 350, 225, 525),
    de: cadence([425], 240, 240),
    fr: cadence([440], 250, 250),
    it: cadence([425], 200, 200),
    es: cadence([425], 200, 200, 200, 200, 200, 600),
    nl: cadence([425], 250, 250),
  },
}

/** Frequencies a telephone can carry. */
const lowestHz = 20
const highestHz = 3999
const maximumFrequencies = 4

/** The tone that `spec` stands for; undefined where it stands for none. A cadence is recognised by its frequencies alone.
 *  @throws UsageError where it would be a tone, but of no frequency, cadence, country or side that there is */
export function parseTone(spec: string): Tone | undefined {
  const [name, ...rest] = spec.split(':')
  const detail = rest.join(':')
  if (name === 'tone' && rest.length > 0) return toneOf(spec, detail)
  if (name === 'marker' && rest.length > 0) {
    if (detail === 'caller' || detail === 'callee') return markerTones[detail]
    throw new UsageError(`"${spec}" is no marker tone: there are "marker:caller" and "marker:callee".`)
  }
  const countries = Object.hasOwn(progressTones, name!) ? progressTones[name!] : undefined
  if (!countries) return undefined
  const country = rest.length > 0 ? detail : defaultCountry
  const tone = Object.hasOwn(countries, country) ? countries[country] : undefined
  if (tone) return tone
  throw new UsageError(
    `"${spec}" is no tone: of ${name} there are those of ${Object.keys(countries).join(', ')}, as in "${name}:de".`,
  )
}

/** Without end. */
export function playedTone(tone: Tone, sampleRateHz: number): AudioSource {
  const { onOffMs } = tone
  if (!onOffMs) return toneSource(tone, sampleRateHz)
  return repeated(() =>
    sequence(
      sampleRateHz,
      onOffMs.map(
        (ms, i) => () => (i % 2 === 0 ? toneBurst(tone, ms, sampleRateHz) : silenceFor(ms, sampleRateHz)),
      ),
    ),
  )
}

function toneOf(spec: string, detail: string): Tone {
  const [frequencies, ...times] = detail.split(',')
  const parts = frequencies!.split('+')
  const frequenciesHz = parts.map((part) => (/^\d+(\.\d+)?$/.test(part) ? Number(part) : Number.NaN))
  if (parts.length > maximumFrequencies || !frequenciesHz.every((hz) => hz >= lowestHz && hz <= highestHz)) {
    throw new UsageError(
      `"${spec}" is no tone: write one to four frequencies from ${lowestHz} to ${highestHz} Hz, as in "tone:440" or "tone:697+1209".`,
    )
  }
  if (times.length === 0) return { frequenciesHz }
  const onOffMs = times.map((time) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(time) ?? []
    return Number(number) * (unit === 's' ? 1000 : 1)
  })
  if (onOffMs.length % 2 === 1 || !onOffMs.every((ms) => ms >= 10 && ms <= 60_000)) {
    throw new UsageError(
      `"${spec}" is no tone: write how long it is on and off in turn, 10ms to 60s each, as in "tone:425,0.5s,0.5s".`,
    )
  }
  return { frequenciesHz, onOffMs }
}
