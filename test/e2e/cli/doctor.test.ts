// floe doctor as its users run it: against `floe serve`, a TURN server, and nobody.
import { expect, test } from 'vitest'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { serveTurn } from '../../../src/sim/turn-server.ts'
import { floe, type Line, type Outcome, run, serve } from './cli.ts'

const linesOf = ({ stdout }: Outcome): Line[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
const marksOf = (outcome: Outcome): Record<string, unknown> =>
  Object.fromEntries(linesOf(outcome).map((line) => [line['about'], line['mark']]))

const address = '127.0.0.1'
const nobody = '127.0.0.1:9'

test('a healthy server, one JSON object a line', async () => {
  const { sip, stun } = await serve()
  const outcome = await run(['doctor', sip, '--stun', stun])
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  expect(linesOf(outcome).every(({ type }) => type === 'finding')).toBe(true)
  expect(marksOf(outcome)).toMatchObject({
    interface: 'ok',
    'SIP/UDP': 'ok',
    'SIP/TCP': 'ok',
    STUN: 'ok',
    mapping: 'ok',
    filtering: 'unknown',
  })
  expect(linesOf(outcome).at(-1)).toMatchObject({ about: 'calls' })
})

test('text for people, with the fix below', async () => {
  const { sip } = await serve()
  const { code, stdout } = await run(['doctor', `sip:${sip}`, '--stun', nobody, '-o', 'text'])
  expect(code).toBe(20)
  expect(stdout).toMatch(/^✓ SIP\/UDP {3}127\.0\.0\.1:\d+ answers 200 in /m)
  expect(stdout).toMatch(/^✗ STUN {6}127\.0\.0\.1:9 does not answer\n {12}→ check address and port/m)
  expect(stdout).toMatch(/^✗ calls {5}cannot be made: no way out for media was found\n {12}→ /m)
})

test('TURN over UDP and TCP; the password stays secret, and nothing stays behind', async () => {
  const server = await serveTurn(nodeRuntime, {
    listen: [
      { protocol: 'udp', address, port: 0 },
      { protocol: 'tcp', address, port: 0 },
    ],
    users: { alice: 'wonder' },
  })
  try {
    const [udp, tcp] = server.addresses.map(({ port }) => `alice@${address}:${port}`)
    const turn = ['--turn', udp!, '--turn', `${tcp}?transport=tcp`]
    const outcome = await run(['doctor', ...turn], { FLOE_TURN_PASSWORD: 'wonder' })
    expect(outcome.code).toBe(0)
    expect(marksOf(outcome)).toMatchObject({ 'TURN/UDP': 'ok', 'TURN/TCP': 'ok' })
    expect(outcome.stdout).not.toContain('wonder')
    expect(server.allocationCount).toBe(0)

    const wrong = await run(['doctor', ...turn], { FLOE_TURN_PASSWORD: 'guess' })
    expect(marksOf(wrong)).toMatchObject({ 'TURN/UDP': 'problem', 'TURN/TCP': 'problem' })
    expect(wrong.stdout).toContain('check user and password')
    expect(wrong.stdout).not.toContain('guess')
  } finally {
    server.stop()
  }
})

test('nobody there', async () => {
  const outcome = await run(['doctor', nobody, '--turn', `turns:a:b@${nobody}`])
  expect(outcome.code).toBe(10)
  expect(marksOf(outcome)).toMatchObject({ 'SIP/UDP': 'problem', 'TURN/TLS': 'problem', calls: 'problem' })
})

test('mistakes are told at once', async () => {
  expect(await run(['doctor', 'tel:+15550100'])).toMatchObject({ code: 2, stdout: '' })
  expect(await run(['doctor', '--turn', 'alice@turn.example'])).toMatchObject({ code: 2, stdout: '' })
})

test('Ctrl-C ends at once', async () => {
  const doctor = floe(['doctor', nobody, '--stun', nobody])
  await doctor.line(({ type }) => type === 'finding')
  doctor.interrupt()
  const { code, stdout, stderr } = await doctor.ended
  expect({ code, stderr }).toEqual({ code: 130, stderr: '' })
  expect(stdout).not.toContain('"calls"')
})
