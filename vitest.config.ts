import { defineConfig } from 'vitest/config'

// `npm test` runs everything that needs no network, root or extra software; `npm run interop` and `npm run bench` have their own configs.
export default defineConfig({
  test: {
    include: ['test/{unit,conformance,sim,e2e,fuzz}/**/*.test.ts'],
    testTimeout: 20_000,
    pool: 'forks',
  },
})
