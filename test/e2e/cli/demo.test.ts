// `floe demo` and `floe test`, as the README shows them.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Floe, floe, run, temporaryFolder } from './cli.ts'

test.each<[string, (demo: Floe) => void]>([
  ['Ctrl-C', (demo) => demo.interrupt()],
  ['output that nobody reads any more', (demo) => demo.child.stdout!.destroy()],
])('%s in the middle of the demo ends it, without a complaint', async (_, end) => {
  const demo = floe(['demo'])
  await demo.line(({ type }) => type === 'play-started')
  end(demo)
  expect(await demo.ended).toMatchObject({ code: 130, stderr: '' })
})

test.runIf(existsSync('/dev/full'))(
  'output that a full disk takes ends it with one sentence: exit 2',
  async () => {
    const command = ['sh', '-c', 'exec "$0" dist/cli/main.js "$@" > /dev/full', process.execPath]
    const outcome = await new Floe(['demo'], { command }).ended
    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toMatch(/^floe: the output cannot be written \(ENOSPC\): .*\n$/)
  },
)

test('the demo proves both directions and keeps the recordings where asked', async () => {
  const folder = temporaryFolder()
  const outcome = await run(['demo', '--keep', folder, '-o', 'text'])
  expect(outcome.stderr).toBe('')
  expect(outcome.code).toBe(0)
  expect(outcome.stdout).toMatch(/✓ bob heard alice/)
  expect(outcome.stdout).toMatch(/✓ alice heard bob/)
  expect(outcome.stdout).toMatch(/INVITE sip:bob@/)
  for (const name of ['heard-by-alice.wav', 'heard-by-bob.wav'])
    expect(readFileSync(join(folder, name)).length).toBeGreaterThan(20_000)
})

test('a scenario file runs, and its results are written as JUnit', async () => {
  const junit = join(temporaryFolder(), 'results.xml')
  const outcome = await run(['test', 'samples/two-phones.yaml', '--junit', junit, '-o', 'text'])
  expect(outcome.stderr).toBe('')
  expect(outcome.stdout).toMatch(/2 passed, 0 failed/)
  expect(outcome.code).toBe(0)
  expect(readFileSync(junit, 'utf8')).toMatch(/<testsuites tests="2" failures="0"/)
})

test('results that cannot be written are told before the first call: exit 2', async () => {
  const junit = join(temporaryFolder(), 'nosuch', 'results.xml')
  const outcome = await run(['test', 'samples/two-phones.yaml', '--junit', junit])
  expect(outcome).toMatchObject({ code: 2, stdout: '' })
  expect(outcome.stderr).toBe(`floe: cannot write ${junit}: there is no such file or folder\n`)
})

test('a folder for the recordings that cannot be is told: exit 2', async () => {
  const outcome = await run(['demo', '--keep', 'README.md', '-o', 'text'])
  expect(outcome).toMatchObject({ code: 2, stdout: '' })
  expect(outcome.stderr).toMatch(/^floe: cannot make the folder README\.md \(EEXIST\): .*\n$/)
})
