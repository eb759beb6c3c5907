// Files of ffmpeg's in every form that floe reads, and floe's recordings read by ffmpeg. No call is needed for either.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { resampled } from '../../../src/audio/resample.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { toneBurst } from '../../../src/audio/tones.ts'
import { WavWriter } from '../../../src/audio/wav-writer.ts'
import { OggReader } from '../../../src/files/ogg.ts'
import { openSound } from '../../../src/files/open-sound.ts'
import { OpusFileWriter } from '../../../src/files/opus-file-writer.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type InteropCase, interop } from '../case.ts'

const { files } = nodeRuntime
const needs = ['ffmpeg'] as const
const peer = 'ffmpeg, files'
const ffmpeg = (...args: string[]): Buffer =>
  execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args], {
    maxBuffer: 1 << 24,
  })
/** 440 Hz on the left, 1000 Hz on the right, for two seconds. */
const stereo = ['-f', 'lavfi', '-i', 'aevalsrc=0.3*sin(440*2*PI*t)|0.3*sin(1000*2*PI*t):d=2:s=48000']

const forms: [name: string, file: string, rateHz: number, ...args: string[]][] = [
  ['WAV, 8 bits', 'a.wav', 8_000, '-c:a', 'pcm_u8'],
  ['WAV, 16 bits', 'a.wav', 22_050, '-c:a', 'pcm_s16le'],
  ['WAV, 24 bits', 'a.wav', 48_000, '-c:a', 'pcm_s24le'],
  ['WAV, 32 bits', 'a.wav', 96_000, '-c:a', 'pcm_s32le'],
  ['WAV, float of 32 bits', 'a.wav', 44_100, '-c:a', 'pcm_f32le'],
  ['WAV, float of 64 bits', 'a.wav', 16_000, '-c:a', 'pcm_f64le'],
  ['WAV, A-law', 'a.wav', 8_000, '-c:a', 'pcm_alaw'],
  ['WAV, mu-law', 'a.wav', 16_000, '-c:a', 'pcm_mulaw'],
  ['RF64', 'a.wav', 48_000, '-rf64', 'always'],
  ['Ogg/Opus, stereo, 60 ms', 'a.opus', 48_000, '-c:a', 'libopus', '-frame_duration', '60'],
  [
    'Ogg/Opus, 2.5 ms',
    'a.ogg',
    48_000,
    '-c:a',
    'libopus',
    '-application',
    'lowdelay',
    '-frame_duration',
    '2.5',
  ],
  ['MP3', 'a.mp3', 44_100, '-b:a', '128k'],
  ['FLAC', 'a.flac', 96_000, '-sample_fmt', 's32'],
]

async function expectBothTones(path: string, rateHz: number): Promise<void> {
  const sound = openSound(path, files)
  await sound.ready
  const source = sound.at(8_000)
  expect(source.sampleRateHz).toBe(rateHz)
  const samples = readAll(resampled(source, 8_000), 10_000)
  expect(samples.length / 8_000).toBeGreaterThan(1.9)
  expect(samples.length / 8_000).toBeLessThan(2.2)
  // Mixed down: half of it is either tone.
  for (const hz of [440, 1_000]) {
    expect(toneShare(samples, 8_000, hz, 4_000, 8_000)).toBeGreaterThan(0.45)
    expect(toneShare(samples, 8_000, hz, 4_000, 8_000)).toBeLessThan(0.55)
  }
}

const rows: InteropCase[] = forms.map(([name, file, rateHz, ...args]) => ({
  peer,
  name: `${name} is read`,
  needs,
  run: async ({ folder }) => {
    const path = join(folder, file)
    ffmpeg(...stereo, '-ar', String(rateHz), ...args, path)
    await expectBothTones(path, rateHz)
  },
}))

/** Noise and a tone, so that every channel, pair of channels and predictor has something to do. */
const flacs: [channels: number, rateHz: number, ...args: string[]][] = [
  [1, 8_000, '-compression_level', '0'],
  [1, 16_000, '-lpc_type', 'none'],
  [1, 22_050, '-lpc_type', 'fixed', '-frame_size', '17'],
  [2, 44_100, '-ch_mode', 'left_side'],
  [2, 44_100, '-ch_mode', 'right_side'],
  [2, 44_100, '-ch_mode', 'mid_side', '-compression_level', '12'],
  [2, 96_000, '-sample_fmt', 's32'],
  [8, 48_000, '-sample_fmt', 's32'],
]

rows.push({
  peer,
  name: 'FLAC of every kind is decoded to the sample',
  needs,
  run: async ({ folder }) => {
    const path = join(folder, 'a.flac')
    for (const [channels, rateHz, ...args] of flacs) {
      const each = (channel: number) => `0.3*sin(${300 + 100 * channel}*2*PI*t)+0.2*random(${channel})-0.1`
      const heard = Array.from({ length: channels }, (_, channel) => each(channel)).join('|')
      ffmpeg('-f', 'lavfi', '-i', `aevalsrc=${heard}:d=0.5:s=${rateHz}`, ...args, path)
      const octets = ffmpeg('-i', path, '-f', 's32le', 'pipe:1')
      const frames = octets.length / (4 * channels)
      expect(frames).toBe(rateHz / 2)
      const mono = Int16Array.from({ length: frames }, (_, frame) => {
        let sum = 0
        for (let i = 0; i < channels; i++) sum += octets.readInt32LE(4 * (frame * channels + i)) / 65_536
        return Math.max(-32_768, Math.min(32_767, Math.round(sum / channels)))
      })
      const samples = readAll(openSound(path, files).at(rateHz), 1_000)
      expect(samples.length).toBe(frames)
      expect(
        samples.findIndex((sample, i) => sample !== mono[i]),
        `${channels} ${rateHz} ${args}`,
      ).toBe(-1)
    }
  },
})

rows.push({
  peer,
  name: 'WAV of unknown length, as through a pipe, is read',
  needs,
  run: async ({ folder }) => {
    const path = join(folder, 'piped.wav')
    files.writeText(path, '')
    const file = files.openForWriting(path)
    file.write(ffmpeg(...stereo, '-c:a', 'pcm_s16le', '-f', 'wav', 'pipe:1'), 0)
    file.close()
    await expectBothTones(path, 48_000)
  },
})

/** As ffmpeg hears it. */
const decoded = (path: string, channel: number): Int16Array => {
  const octets = ffmpeg('-i', path, '-af', `pan=mono|c0=c${channel}`, '-ar', '8000', '-f', 's16le', 'pipe:1')
  return new Int16Array(octets.buffer.slice(octets.byteOffset, octets.byteOffset + octets.length))
}

for (const [name, channels] of [
  ['mono', 1],
  ['stereo', 2],
] as const)
  rows.push({
    peer,
    name: `a recording of floe's is read: WAV, ${name}`,
    needs,
    run: async ({ folder }) => {
      const path = join(folder, 'floe.wav')
      const writer = new WavWriter(files.openForWriting(path), 16_000, channels)
      const [left, right] = [440, 1_000].map((hz) =>
        readAll(toneBurst({ frequenciesHz: [hz] }, 2_000, 16_000), 2_000),
      ) as [Int16Array, Int16Array]
      for (let i = 0; i < left.length; i++)
        writer.write(channels === 1 ? left.subarray(i, i + 1) : Int16Array.of(left[i]!, right[i]!))
      writer.close()
      const samples = decoded(path, channels - 1)
      expect(samples.length).toBe(16_000)
      expect(toneShare(samples, 8_000, channels === 1 ? 440 : 1_000, 4_000, 8_000)).toBeGreaterThan(0.95)
    },
  })

rows.push({
  peer,
  name: "a recording of floe's is read: Ogg/Opus",
  needs,
  run: async ({ folder }) => {
    const path = join(folder, 'floe.opus')
    const writer = new OpusFileWriter(files.openForWriting(path), 7)
    const tone = readAll(toneBurst({ frequenciesHz: [440] }, 2_000, 48_000), 2_000)
    for (let at = 0; at < tone.length; at += 960) {
      writer.write(tone.subarray(at, at + 960))
      // libopus needs a moment at first.
      await new Promise((resolve) => setImmediate(resolve))
    }
    writer.close()
    const samples = decoded(path, 0)
    expect(Math.abs(samples.length - 16_000)).toBeLessThan(10)
    expect(toneShare(samples, 8_000, 440, 4_000, 8_000)).toBeGreaterThan(0.95)
  },
})

// 20 ms of SILK, of SILK with CELT, of CELT, of CELT in stereo.
for (const [mode, bitrate, application, channels] of [
  ['SILK', '12k', 'voip', '1'],
  ['hybrid', '24k', 'voip', '1'],
  ['CELT', '64k', 'audio', '1'],
  ['CELT, stereo', '96k', 'audio', '2'],
] as const)
  rows.push({
    peer: 'ffmpeg, opusinfo',
    name: `a recording of packets as they came is read, gaps and all: ${mode}`,
    needs: ['ffmpeg', 'opusinfo'],
    run: async ({ folder }) => {
      const [made, path] = [join(folder, 'made.opus'), join(folder, 'floe.opus')]
      const tone = 'aevalsrc=0.3*sin(440*2*PI*t)|0.3*sin(440*2*PI*t):d=2:s=48000'
      const options = ['-ac', channels, '-b:a', bitrate, '-application', application]
      ffmpeg('-f', 'lavfi', '-i', tone, '-c:a', 'libopus', ...options, made)
      const ogg = new OggReader(files.openForReading(made))
      const writer = new OpusFileWriter(files.openForWriting(path), 7)
      const pass = (packets: number) => {
        for (let n = 0; n < packets; n++) writer.elapse(960)
      }
      let timestamp = 0
      ogg.next()
      ogg.next()
      pass(25)
      for (let n = 0; n < 100; n++, timestamp += 960) {
        const { data } = ogg.next()!
        // Nothing is sent for a second, and a little more than whole packets.
        if (n === 50) {
          timestamp += 48_120
          pass(50)
        }
        if (![20, 21, 60].includes(n)) writer.writePacket(data, timestamp)
        pass(1)
      }
      writer.close()
      const told = execFileSync('opusinfo', [path], { encoding: 'utf8' })
      expect(told).not.toMatch(/warning|error/i)
      expect(told).toContain('Playback length: 0m:03.500s')
      expect(told).toContain(`Channels: ${channels}`)
      const samples = decoded(path, Number(channels) - 1)
      expect(samples.length).toBe(3.5 * 8_000)
      for (const fromMs of [600, 2_800, 3_100])
        expect(toneShare(samples, 8_000, 440, fromMs * 8, 160 * 8)).toBeGreaterThan(0.9)
    },
  })

interop(rows)
