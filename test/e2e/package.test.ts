// What npm would publish works outside the clone: packed, unpacked into an empty folder, run.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { Floe, temporaryFolder } from './cli/cli.ts'

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

const oracleProgram = `import { natKinds, pathBetween, simulate } from 'floe/sim'
const world = simulate(1)
const place = (name, address) =>
  ({ host: world.host(name, world.nat(name, address, natKinds.symmetric).inside.at('10.0.0.2')) })
console.log(pathBetween(world, place('a', '203.0.113.1'), place('b', '203.0.113.2')))
`

test('the packed package runs the demo and has the simulator', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder()
  // The build of the test run is packed as it is: prepack would build it again.
  execFileSync(npm, ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { stdio: 'pipe' })
  const [tarball] = readdirSync(folder)
  execFileSync('tar', ['-xzf', join(folder, tarball!), '-C', folder])
  const unpacked = join(folder, 'package')
  const manifest = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
    scripts: Record<string, string>
  }
  expect(Object.keys(manifest.scripts)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$/)]),
  )
  // Its dependencies are those of the clone: nothing is fetched here.
  symlinkSync(resolve('node_modules'), join(unpacked, 'node_modules'), 'junction')
  const program = join(unpacked, 'oracle.mjs')
  writeFileSync(program, oracleProgram)
  // A package may import itself by its name.
  expect(execFileSync(process.execPath, [program], { encoding: 'utf8' })).toBe('none\n')
  const demo = new Floe(['demo'], { command: [process.execPath, join(unpacked, 'dist/cli/main.js')] })
  const outcome = await demo.ended
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  expect(outcome.stdout).toContain('"heard":true')
})
