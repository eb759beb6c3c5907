// floe on the other releases of Node that its package.json admits: what is packed, unpacked and run there.
import { execFileSync } from 'node:child_process'
import { readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from './case.ts'
import { nodePath, repository } from './installed.ts'

/** The packed package in an empty folder, beside the dependencies of the clone. */
function unpack(scene: Scene): string {
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', scene.folder]
  execFileSync('npm', pack, { cwd: repository, stdio: 'pipe' })
  const tarball = readdirSync(scene.folder).find((name) => name.endsWith('.tgz'))
  execFileSync('tar', ['-xzf', join(scene.folder, tarball!), '-C', scene.folder])
  const unpacked = join(scene.folder, 'package')
  symlinkSync(join(repository, 'node_modules'), join(unpacked, 'node_modules'))
  return unpacked
}

const rows = ([22, 24] as const).flatMap((release): InteropCase[] => [
  {
    peer: `Node ${release}`,
    name: 'runs the demo from the packed package',
    needs: [`node ${release}`],
    run: async (scene) => {
      const out = execFileSync(nodePath(release)!, ['dist/cli/main.js', 'demo'], {
        cwd: unpack(scene),
        encoding: 'utf8',
      })
      expect(out).toContain('"heard":true')
    },
  },
  {
    peer: `Node ${release}`,
    name: 'runs a scenario with DTMF and a refused call',
    needs: [`node ${release}`],
    run: async () => {
      const command = ['dist/cli/main.js', 'test', 'samples/two-phones.yaml', '-o', 'text']
      const out = execFileSync(nodePath(release)!, command, { cwd: repository, encoding: 'utf8' })
      expect(out).toContain('2 passed, 0 failed')
    },
  },
])

interop(rows)
