// Computes the sound files of this folder that are not speech: node media/generate.mjs
// Ring-back, a tone, DTMF digits, and Beethoven's "Ode to Joy" (1824, public domain) on a plucked and a soft voice.
import { writeFileSync } from 'node:fs'

const fullScale = 32767

/** 16-bit mono PCM. `at(t)` gives the amplitude, -1 to 1, `t` seconds from the start. */
function writeWav(name, rateHz, durationS, at) {
  const samples = Math.round(rateHz * durationS)
  const wav = Buffer.alloc(44 + 2 * samples)
  wav.write('RIFF', 0)
  wav.writeUInt32LE(36 + 2 * samples, 4)
  wav.write('WAVEfmt ', 8)
  wav.writeUInt32LE(16, 16)
  wav.writeUInt16LE(1, 20)
  wav.writeUInt16LE(1, 22)
  wav.writeUInt32LE(rateHz, 24)
  wav.writeUInt32LE(2 * rateHz, 28)
  wav.writeUInt16LE(2, 32)
  wav.writeUInt16LE(16, 34)
  wav.write('data', 36)
  wav.writeUInt32LE(2 * samples, 40)
  for (let i = 0; i < samples; i++) {
    const value = Math.max(-1, Math.min(1, at(i / rateHz)))
    wav.writeInt16LE(Math.round(value * fullScale), 44 + 2 * i)
  }
  writeFileSync(new URL(name, import.meta.url), wav)
}

const sine = (hz, t) => Math.sin(2 * Math.PI * hz * t)
/** 1 while `0 <= t < durationS`, with edges of 5 ms. */
const gate = (t, durationS) => Math.max(0, Math.min(1, t / 0.005, (durationS - t) / 0.005))

writeWav('tone-440-8k.wav', 8000, 2, (t) => 0.25 * sine(440, t) * gate(t, 2))

// North American ring-back (ITU-T E.180): 440 + 480 Hz, 2 s on, 4 s off.
writeWav('ring-back-8k.wav', 8000, 6, (t) => 0.18 * (sine(440, t) + sine(480, t)) * gate(t, 2))

// ITU-T Q.23, digits 1 to 9, star, 0, pound: 100 ms each, 100 ms apart.
const rowsHz = [697, 770, 852, 941]
const columnsHz = [1209, 1336, 1477]
writeWav('dtmf-8k.wav', 8000, 2.4, (t) => {
  const digit = Math.min(11, Math.floor(t / 0.2))
  const [row, column] = [rowsHz[Math.floor(digit / 3)], columnsHz[digit % 3]]
  return 0.2 * (sine(row, t) + sine(column, t)) * gate(t - digit * 0.2, 0.1)
})

// Notes as [MIDI key, beats]; the bass is one key a bar.
const melody = [
  [66, 1], [66, 1], [67, 1], [69, 1], [69, 1], [67, 1], [66, 1], [64, 1],
  [62, 1], [62, 1], [64, 1], [66, 1], [66, 1.5], [64, 0.5], [64, 2],
  [66, 1], [66, 1], [67, 1], [69, 1], [69, 1], [67, 1], [66, 1], [64, 1],
  [62, 1], [62, 1], [64, 1], [66, 1], [64, 1.5], [62, 0.5], [62, 2],
]
const bass = [50, 45, 50, 45, 50, 45, 45, 50]
const beatS = 0.3

const hertz = (key) => 440 * 2 ** ((key - 69) / 12)
/** A plucked string: harmonics that die away, the higher the sooner. */
const pluck = (hz, t) =>
  t < 0 ? 0 : [1, 2, 3, 4, 5].reduce((sum, n) => sum + (sine(hz * n, t) / n) * Math.exp(-t * (1.5 + 1.5 * n)), 0)
/** A soft voice that swells and fades within its time. */
const soft = (hz, t, durationS) =>
  t < 0 || t > durationS ? 0 : (sine(hz, t) + 0.4 * sine(2 * hz, t)) * Math.sin((Math.PI * t) / durationS)

let startBeat = 0
const notes = melody.map(([key, beats]) => {
  const note = { startS: startBeat * beatS, hz: hertz(key) }
  startBeat += beats
  return note
})
const musicS = startBeat * beatS + 0.4
const music = (t) =>
  0.21 * notes.reduce((sum, { startS, hz }) => (t - startS < 1.2 ? sum + pluck(hz, t - startS) : sum), 0) +
  0.1 * bass.reduce((sum, key, bar) => sum + soft(hertz(key), t - bar * 4 * beatS, 4 * beatS), 0)

writeWav('music-8k.wav', 8000, musicS, (t) => music(t) * gate(t, musicS))
writeWav('music-16k.wav', 16000, musicS, (t) => music(t) * gate(t, musicS))
