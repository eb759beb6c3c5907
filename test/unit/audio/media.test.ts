// The sound files that come with floe are what media/README.md says.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { levelDbfs } from '../../../src/audio/level.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { WavReader } from '../../../src/audio/wav-reader.ts'
import { diskFiles } from './memory-file.ts'

const folder = fileURLToPath(new URL('../../../media/', import.meta.url))
const names = readdirSync(folder).filter((name) => name.endsWith('.wav'))
const readme = readFileSync(join(folder, 'README.md'), 'utf8')

describe('media', () => {
  it('has a file of every kind', () => {
    const kinds = [
      'hello-8k',
      'hello-16k',
      'hello-48k',
      'reply-8k',
      'reply-16k',
      'reply-48k',
      'prompt-8k',
      'music-8k',
    ]
    expect(names).toEqual(expect.arrayContaining(kinds.map((kind) => `${kind}.wav`)))
    expect(names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)).toBeLessThan(3_000_000)
  })

  it.each(names)('%s has the rate of its name, a sensible level and a line in the README', (name) => {
    const reader = new WavReader(diskFiles.openForReading(`media/${name}`))
    const [, kind, kilohertz] = /^(.*)-(\d+)k\.wav$/.exec(name)!
    expect(reader).toMatchObject({
      sampleRateHz: Number(kilohertz) * 1000,
      channels: 1,
      encoding: 'PCM 16 bit',
    })
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${kind}-`))!
    expect(row).toContain(`-${kilohertz}k\``)
    expect(Math.abs(Number(/ ([\d.]+) \|$/.exec(row)![1]) - reader.durationMs / 1000)).toBeLessThan(0.06)
    const samples = readAll(reader, 60_000)
    expect(levelDbfs(samples)).toBeGreaterThan(-26)
    expect(samples.some((sample) => sample === 32_767 || sample === -32_768)).toBe(false)
  })

  it('computes its music and tones anew, the same to the last bit but one', () => {
    const copy = mkdtempSync(join(tmpdir(), 'floe-media-'))
    try {
      cpSync(join(folder, 'generate.mjs'), join(copy, 'generate.mjs'))
      execFileSync(process.execPath, [join(copy, 'generate.mjs')])
      const computed = readdirSync(copy).filter((name) => name.endsWith('.wav'))
      expect(computed.length).toBe(5)
      for (const name of computed) {
        const [now, then] = [join(copy, name), join(folder, name)].map((path) => readFileSync(path))
        expect(now!.length).toBe(then!.length)
        // Math.sin may differ in its last bit from one release of Node.js to another.
        for (let at = 44; at < now!.length; at += 2) {
          if (Math.abs(now!.readInt16LE(at) - then!.readInt16LE(at)) > 1)
            expect.fail(`${name} differs at octet ${at}`)
        }
      }
    } finally {
      rmSync(copy, { recursive: true })
    }
  })
})
