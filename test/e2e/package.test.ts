// What npm would publish works outside the clone: packed, unpacked into an empty folder, run.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { Floe, temporaryFolder } from './cli/cli.ts'

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

test('the packed package runs the demo', async () => {
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
  const demo = new Floe(['demo'], { command: [process.execPath, join(unpacked, 'dist/cli/main.js')] })
  const outcome = await demo.ended
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  expect(outcome.stdout).toContain('"heard":true')
})
