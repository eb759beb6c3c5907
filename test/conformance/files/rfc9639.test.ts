// The example files of RFC 9639, appendix D, with the samples that it gives for them.
import { expect, test } from 'vitest'
import { readAll } from '../../../src/audio/sources.ts'
import { FlacReader } from '../../../src/files/flac-reader.ts'
import { MemoryFile } from '../../unit/audio/memory-file.ts'

const examples = {
  // D.1: two channels without a predictor, with wasted bits.
  'D.1': {
    file: `
      664c 6143 8000 0022 1000 1000 0000 0f00 000f 0ac4 42f0 0000 0001 3e84 b418 07dc 6903 0758
      6a3d ad1a 2e0f fff8 6918 0000 bf03 58fd 0312 8baa 9a`,
    sampleRateHz: 44_100,
    channels: [[25588], [10416]],
    scale: 1,
  },
  // D.2: other blocks of metadata, a pair of channels as side and right, a fixed predictor.
  'D.2': {
    file: `
      664c 6143 0000 0022 0010 0010 0000 1700 0044 0ac4 42f0 0000 0013 d5b0 5649 75e9 8b8d 8b93
      0422 757b 8103 0300 0012 0000 0000 0000 0000 0000 0000 0000 0000 0010 0400 003a 2000 0000
      7265 6665 7265 6e63 6520 6c69 6246 4c41 4320 312e 332e 3320 3230 3139 3038 3034 0100 0000
      0e00 0000 5449 544c 453d d7a9 d79c d795 d79d 8100 0006 0000 0000 0000 fff8 6998 000f 9912
      0867 0162 3d14 4299 8f5d f70d 6fe0 0c17 caeb 2100 0ee7 a77a 24a1 590c 1217 b603 097b 784f
      aa9a 33d2 85e0 70ad 5b1b 4851 b401 0d99 d2cd 1a68 f1e6 b810 fff8 6918 0102 a402 c382 c40b
      c14a 03ee 48dd 03b6 7c13 30`,
    sampleRateHz: 44_100,
    channels: [
      [
        10372, 18041, 14942, 17876, 15627, 17899, 16242, 18077, 16824, 18263, 17295, -14418, -15201, -14508,
        -15195, -14818, -15486, -15349, -16054,
      ],
      [
        6070, 10545, 8743, 10449, 9143, 10463, 9502, 10569, 9840, 10680, 10113, -8428, -8895, -8476, -8896,
        -8653, -9072, -8958, -9410,
      ],
    ],
    scale: 1,
  },
  // D.3: 8 bits, a linear predictor, a residual of several partitions, one of them escaped.
  'D.3': {
    file: `
      664c 6143 8000 0022 1000 1000 0000 1f00 001f 07d0 0070 0000 0018 f8f9 e396 f5cb cfc6 dc80
      7f99 7790 6b32 fff8 6802 0017 e944 004f 6f31 3d10 47d2 27cb 6d09 0831 452b dc28 2222 8057
      a3`,
    sampleRateHz: 32_000,
    channels: [
      [0, 79, 111, 78, 8, -61, -90, -68, -13, 42, 67, 53, 13, -27, -46, -38, -12, 14, 24, 19, 6, -4, -5, 0],
    ],
    scale: 256,
  },
}

test.each(Object.entries(examples))('%s', (_, { file, sampleRateHz, channels, scale }) => {
  const reader = new FlacReader(new MemoryFile(Buffer.from(file.replace(/\s/g, ''), 'hex')))
  expect(reader.sampleRateHz).toBe(sampleRateHz)
  const mean = channels[0]!.map(
    (_, i) => (channels.reduce((sum, channel) => sum + channel[i]!, 0) / channels.length) * scale,
  )
  const read = [...readAll(reader, 1_000)]
  expect(read).toHaveLength(mean.length)
  // Halves are rounded.
  for (const [i, sample] of read.entries()) expect(Math.abs(sample - mean[i]!)).toBeLessThanOrEqual(0.5)
})
