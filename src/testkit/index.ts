// floe/testkit: scenarios as data, and the checks behind the matchers.
export { formatJunit } from './junit.ts'
export { type CheckResult, toBeHealthy, toHaveHeard, toHaveReceivedDtmf } from './matchers.ts'
export { runScenario, type ScenarioResult, type StepResult } from './run-scenario.ts'
export { parseScenarios, type Scenario, type Step } from './scenario.ts'
