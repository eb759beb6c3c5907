import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url))

/** Real calls first: they mostly wait, while the others compute. */
class RealCallsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isReal = ({ moduleId }: TestSpecification): boolean => /\/(e2e|samples)\//.test(moduleId)
    return [...sorted.filter(isReal), ...sorted.filter((file) => !isReal(file))]
  }
}

// `npm test` runs everything that needs no network, root or extra software; the interop suite has its own config.
export default defineConfig({
  resolve: {
    alias: [
      { find: /^floe$/, replacement: source('index.ts') },
      { find: /^floe\/sim$/, replacement: source('sim/index.ts') },
      { find: /^floe\/testkit$/, replacement: source('testkit/index.ts') },
      { find: /^floe\/vitest$/, replacement: source('testkit/vitest.ts') },
    ],
  },
  test: {
    include: ['test/{unit,conformance,sim,e2e,fuzz}/**/*.test.ts', 'samples/*.test.ts'],
    // Real calls between several processes, on a machine that may be busy.
    testTimeout: 120_000,
    pool: 'forks',
    // Files leave nothing behind, so that one process can run many: loading floe anew for each would take longer than most tests.
    isolate: false,
    maxWorkers: 4,
    sequence: { sequencer: RealCallsFirst },
    // Real calls on a machine that others use too. `.ci/run` names the tests that needed their second try.
    retry: process.env['CI'] === undefined ? 0 : 1,
  },
})
