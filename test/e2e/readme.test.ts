// The README is true: its commands, programs, scenario, profile and tables are run or compared here.
// `npm ci && npm run demo` and `npm ci && npm test` are run by .ci/run and, without the installation, by test/e2e/cli.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { levelDbfs } from '../../src/audio/level.ts'
import { exitCodes } from '../../src/cli/exit-codes.ts'
import { phoneOptions } from '../../src/cli/flags.ts'
import * as floeApi from '../../src/index.ts'
import { nodeRuntime, openSource } from '../../src/index.ts'
import { parseScenarios } from '../../src/testkit/scenario.ts'
import { Floe, floe, run, serve, temporaryFolder } from './cli/cli.ts'

const readme = readFileSync('README.md', 'utf8')

/** Fenced blocks of a language. */
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]!)

/** The commands of indented blocks, without their comments. */
const commands = (program: string): string[] =>
  [...readme.matchAll(new RegExp(`^ {4}(${program} .*)$`, 'gm'))].map((match) =>
    match[1]!.replace(/\s+#.*$/, '').trim(),
  )

const rowsAfter = (heading: RegExp): string[][] => {
  const after = readme.slice(readme.search(heading))
  const table = /(?:^\|.*\n)+/m.exec(after)?.[0] ?? ''
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

describe('commands', () => {
  test('serve, answer and call hear each other as written', async () => {
    expect(commands('floe')).toEqual([
      expect.stringMatching(/^floe serve$/),
      expect.stringMatching(/^floe answer /),
      expect.stringMatching(/^floe call /),
      expect.stringMatching(/^floe phone /),
    ])
    // The default ports may be taken on this machine: the server gets others, and the address says so.
    const server = floe(['serve', '--port', '0', '--stun-port', '0'])
    const sip = String((await server.line(({ type }) => type === 'serving'))['sip'])
    const [, answer, call, phone] = commands('floe').map((line) =>
      line.replaceAll('@127.0.0.1', `@${sip}`).split(' ').slice(1),
    )
    const bob = floe(answer!)
    await bob.line((line) => line.type === 'listening')
    expect((await run(call!)).code).toBe(0)
    expect((await bob.ended).code).toBe(0)
    // Here is no terminal.
    const driven = new Floe([...phone!, '--control'], { stdin: true })
    await driven.line(({ event, state }) => event === 'registration' && state === 'registered')
    driven.send({ command: 'quit' })
    expect((await driven.ended).code).toBe(0)
  })

  test('npm commands are scripts of the package', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>
    }
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!)
    for (const name of new Set(named)) expect(Object.keys(scripts)).toContain(name)
  })
})

describe('programs', () => {
  test('the library example runs', async () => {
    const [example] = blocks('js').filter((block) => block.includes('Phone.start'))
    const { sip } = await serve('alice:pw', 'bob:pw')
    // He goes on: who has played all hangs up, and both files have the same length.
    const bob = floe(['answer', '--as', `bob@${sip}`, '--play', 'media/reply-8k.wav', '--loop'], {
      FLOE_PASSWORD: 'pw',
    })
    await bob.line((line) => line.type === 'listening')
    const folder = temporaryFolder()
    const program = example!
      .replaceAll('pbx.example', sip)
      .replace('password,', "password: 'pw',")
      .replace('stun:stun.example', `stun:${sip}`)
      .replace("'bob.wav'", JSON.stringify(join(folder, 'bob.wav')))
    const file = 'dist/readme-example.mjs'
    writeFileSync(file, program)
    try {
      const outcome = await new Floe([], { command: [process.execPath, file] }).ended
      expect(outcome).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('ok: true') })
    } finally {
      rmSync(file)
    }
  })

  test('the bot listens and speaks, and the announcement is heard over music', async () => {
    const [, bot, announcer] = blocks('js').filter((block) => block.includes('Phone.start'))
    const { sip } = await serve('bot:pw', 'announcer:pw')
    const folder = temporaryFolder()
    const recording = join(folder, 'announced.wav')
    const started = (program: string, name: string): Floe => {
      writeFileSync(
        `dist/readme-${name}.mjs`,
        program.replaceAll('pbx.example', sip).replace('password }', "password: 'pw' }"),
      )
      return new Floe([], { command: [process.execPath, `dist/readme-${name}.mjs`] })
    }
    // It says what it hears.
    writeFileSync('dist/answers.mjs', 'export const answers = () => new TransformStream()')
    try {
      const speaking = started(`${bot}\nconsole.log('ready')`, 'bot')
      await expect.poll(() => speaking.stdout, { timeout: 20_000 }).toContain('ready')
      const announcing = started(
        announcer!
          .replace('bob@', 'bot@')
          .replace("'media/hello-8k.wav'", "'dtmf:123456789012345'")
          .replace("'announced.wav'", JSON.stringify(recording)),
        'announcer',
      )
      expect(await announcing.ended).toMatchObject({ code: 0, stderr: '' })
      speaking.child.kill('SIGTERM')
      await speaking.ended
      expect(speaking.stderr).toBe('')
      const octets = readFileSync(recording)
      const both = new Int16Array(octets.buffer.slice(octets.byteOffset + 80))
      const rateHz = octets.readUInt32LE(24)
      // What is sent on the left, what the bot makes of it on the right: both can be heard.
      for (const side of [0, 1]) {
        const samples = both.filter((_, i) => i % 2 === side)
        const loudest = Math.max(
          ...Array.from({ length: Math.floor((samples.length / rateHz) * 20) }, (_, i) =>
            levelDbfs(samples.subarray((i * rateHz) / 20, ((i + 1) * rateHz) / 20)),
          ),
        )
        expect(loudest, ['sent', 'heard'][side]).toBeGreaterThan(-40)
      }
    } finally {
      for (const name of ['readme-bot', 'readme-announcer', 'answers'])
        rmSync(`dist/${name}.mjs`, { force: true })
    }
  })

  test('the program that drives a phone does', async () => {
    const [example] = blocks('js').filter((block) => block.includes('--control'))
    const { sip } = await serve()
    const expected = ['--hear', 'media/hello-8k.wav', '--expect-dtmf', '42#', '--for', '60s']
    const bob = floe(['answer', '--as', `bob@${sip}`, '--play', 'media/reply-8k.wav', '--loop', ...expected])
    await bob.line((line) => line.type === 'listening')
    const program = example!
      .replaceAll('pbx.example', sip)
      .replace("spawn('floe', [", "spawn(process.execPath, ['dist/cli/main.js', ")
    const file = 'dist/readme-control.mjs'
    writeFileSync(file, program)
    try {
      const outcome = await new Floe([], { command: [process.execPath, file] }).ended
      expect(outcome).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('ok: true') })
      expect((await bob.ended).code).toBe(0)
    } finally {
      rmSync(file)
    }
  })

  test('every sample is under 60 lines and named in samples/README.md', () => {
    const index = readFileSync('samples/README.md', 'utf8')
    for (const entry of readdirSync('samples', { withFileTypes: true })) {
      const { name } = entry
      if (name === 'README.md') continue
      expect(index).toContain(name)
      if (entry.isDirectory()) continue // has a README of its own
      expect(readFileSync(join('samples', name), 'utf8').split('\n').length).toBeLessThanOrEqual(60)
    }
  })

  test('the matchers exist', () => {
    const [example] = blocks('js').filter((block) => block.includes('floe/vitest'))
    const matchers = readFileSync('src/testkit/vitest.ts', 'utf8')
    for (const [, name] of example!.matchAll(/\)\.(?:not\.)?(to\w+)\(/g)) expect(matchers).toContain(name)
  })
})

describe('files', () => {
  test('the scenario is one', () => {
    const [example] = blocks('yaml').filter((block) => block.includes('steps:'))
    expect(parseScenarios(example!, 'README.md')[0]!.steps.length).toBeGreaterThan(5)
  })

  test('the profile is one', () => {
    const [example] = blocks('yaml').filter((block) => block.includes('profiles:'))
    const file = join(temporaryFolder(), 'config.yaml')
    writeFileSync(file, example!)
    vi.stubEnv('FLOE_CONFIG', file)
    expect(phoneOptions({ profile: 'work' })).toMatchObject({ account: 'sip:alice@pbx.example' })
    vi.unstubAllEnvs()
  })
})

describe('tables', () => {
  test('exit codes', () => {
    expect(rowsAfter(/^Exit codes/m).map(([code]) => Number(code))).toEqual(Object.values(exitCodes))
  })

  test('verbs', async () => {
    const { stdout } = await run(['--help'])
    const verbs = rowsAfter(/^\| verb \|/m).map(([cell]) => /floe (\w+)/.exec(cell!)![1])
    const known = [...stdout.matchAll(/^ {2}(\w+) [ [<]/gm)]
      .map((match) => match[1])
      .filter((verb) => verb !== 'help')
    expect(verbs.sort()).toEqual(known.sort())
  })

  test('tones are what can be played', () => {
    const rows = rowsAfter(/^### Tones/m)
    const specs = rows.flatMap(([what, text]) => [...`${what} ${text}`.matchAll(/`([a-z-]+(?::[^`]+)?)`/g)])
    const named = specs.map((match) => match[1]!).filter((spec) => !/^[a-z]{2}$/.test(spec))
    expect(named.length).toBeGreaterThan(12)
    for (const spec of named) openSource(spec, nodeRuntime.files, 8_000).close()
  })

  test('flags', async () => {
    const [calling, answering] = [await run(['call', '--help']), await run(['answer', '--help'])]
    const stdout = calling.stdout + answering.stdout
    for (const [cell] of rowsAfter(/^\| flag \|/m))
      for (const [flag] of cell!.matchAll(/--[a-z-]+/g)) expect(stdout).toContain(flag)
  })

  test('every RFC has its row: what, deviations, and tests that exist', () => {
    const rows = rowsAfter(/^## RFCs/m)
    expect(rows.length).toBeGreaterThan(25)
    for (const row of rows) {
      expect(row, row[0]).toHaveLength(4)
      const paths = [...row[3]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!)
      expect(paths.length, row[0]).toBeGreaterThan(0)
      for (const path of paths) {
        expect(path).toMatch(/^test\/.*\.(test|interop)\.ts$/)
        expect(existsSync(path), path).toBe(true)
      }
    }
  })

  test('the generated tables are what the program says', () => {
    const check = () => execFileSync(process.execPath, ['test/docs/readme-tables.mjs', '--check'])
    expect(check).not.toThrow()
  })

  test('the API: every method, option and error named exists', () => {
    const rows = rowsAfter(/^\| \| \|/m)
    expect(rows.length).toBeGreaterThan(8)
    const sources = [
      'phone/phone',
      'phone/call',
      'phone/call-audio',
      'phone/audio-streams',
      'phone/received-digits',
      'codec/codec',
      'audio/mixed-source',
      'phone/call-transfers',
      'phone/subscription',
      'phone/options',
      'sip/peer',
      'sip/tls-settings',
      'sip/peer',
    ].map((name) => readFileSync(`src/${name}.ts`, 'utf8'))
    const names = rows.flatMap(([members, text]) => [
      ...[...members!.matchAll(/`(?:Phone|phone|call)\.(\w+)/g)].map((match) => match[1]!),
      ...[...text!.matchAll(/`([a-z]\w+)`/g)].map((match) => match[1]!),
    ])
    expect(names.length).toBeGreaterThan(35)
    for (const name of new Set(names))
      expect(sources.join('\n'), name).toMatch(new RegExp(`\\b${name}(\\?:|\\??\\(|:)|'${name}'`))
    for (const [, error] of readme.matchAll(/\b(\w+Error|\w+Failed)\b/g))
      expect(floeApi).toHaveProperty(error!)
  })
})
