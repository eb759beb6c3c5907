// The exit code of a command that made one call, from its report alone.
import type { CallReport } from './call-report.ts'
import { causes } from './causes.ts'

/** 0 ok, 1 assertion, 10 transport, 11 authentication, 12 rejected, 13 timeout, 20 ICE, 21 encryption, 22 no or one-way audio, 130 interrupted. */
export const exitCodeOfReport = (report: Pick<CallReport, 'verdict'>): number =>
  report.verdict.ok ? 0 : causes[report.verdict.cause].exitCode
