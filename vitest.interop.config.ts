import { defineConfig } from 'vitest/config'
import TableReporter from './test/interop/table-reporter.ts'

// `npm run interop`: floe against real peers and real kernel NATs, one row at a time but for the NAT
// lab's own, ending in a table peer x case.
export default defineConfig({
  test: {
    include: ['test/{interop,natlab}/**/*.interop.ts'],
    pool: 'forks',
    fileParallelism: false,
    maxConcurrency: 12,
    // The peers are others' programs, a dozen of them on a few cores. The table and `.ci/run` name the rows that took two tries.
    retry: 1,
    hookTimeout: 30_000,
    teardownTimeout: 15_000,
    reporters: [new TableReporter()],
  },
})
