// floe test FILES: run scenario files, print what happened, write JUnit.
import type { Command } from 'commander'
import { formatReport, nodeRuntime } from '../index.ts'
import {
  formatJunit,
  parseScenarios,
  runScenario,
  type ScenarioResult,
  type StepResult,
} from '../testkit/index.ts'
import { exitCodes } from './exit-codes.ts'
import { type OutputFlags, outputFlags } from './flags.ts'
import { Output } from './output.ts'

interface Flags extends OutputFlags {
  junit?: string
}

export function addTest(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('test <files...>')
    .description('run call scenarios and say what passed')
    .option('--junit <file>', 'write the results as JUnit XML')
  outputFlags(command).action(async (files: string[], flags: Flags) => {
    const output = new Output(flags)
    // All files are read before the first call is made: a mistake in the last one should not cost a minute.
    const scenarios = files.flatMap((file) =>
      parseScenarios(nodeRuntime.files.readText(file), file, process.env),
    )
    // So is a file that cannot be written told; and results of another run are not taken for those of this one.
    if (flags.junit !== undefined) nodeRuntime.files.writeText(flags.junit, formatJunit([]))
    const results: ScenarioResult[] = []
    for (const scenario of scenarios) {
      output.line(output.style('strong', `${scenario.name}  ${output.style('dim', scenario.file)}`))
      const result = await runScenario(scenario, nodeRuntime, (step) => showStep(output, step))
      results.push(result)
      output.event({ type: 'scenario', ...result })
      if (!result.passed || flags.verbose)
        for (const { phone, report } of result.calls) {
          output.line(output.style('dim', `  ${phone}'s call:`))
          output.line(formatReport(report, { style: output.style }))
        }
    }
    if (flags.junit !== undefined) nodeRuntime.files.writeText(flags.junit, formatJunit(results))
    const failed = results.filter((result) => !result.passed).length
    output.line(`${results.length - failed} passed, ${failed} failed`)
    output.event({ type: 'summary', passed: results.length - failed, failed })
    finish(failed === 0 ? exitCodes.ok : exitCodes.assertion)
  })
}

function showStep(output: Output, step: StepResult): void {
  const mark = {
    passed: output.style('good', '✓'),
    failed: output.style('bad', '✗'),
    'not run': output.style('dim', '·'),
  }
  const time =
    step.status === 'not run' ? '' : output.style('dim', ` ${(step.durationMs / 1000).toFixed(1)} s`)
  output.line(`  ${mark[step.status]} ${step.text}${time}`)
  if (step.problem !== undefined) output.line(`    ${output.style('bad', step.problem)} (line ${step.line})`)
}
