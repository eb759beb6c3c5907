import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url))

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
    testTimeout: 30_000,
    pool: 'forks',
    // Most of the time is spent waiting for real calls, not computing.
    maxWorkers: 4,
    // Real calls on a machine that others use too. `.ci/run` names the tests that needed their second try.
    retry: process.env['CI'] === undefined ? 0 : 1,
  },
})
