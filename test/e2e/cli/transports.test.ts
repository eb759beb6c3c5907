// TLS and WebSocket on the command line, in real processes: calls through `floe serve`, and a sentence for what is refused.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { floe, plain, reportOf, run, temporaryFolder } from './cli.ts'

const file = (name: string): string => `test/fixtures/tls/${name}`
const authority = ['--tls-ca', file('ca.pem')]

async function serve(certificate: string) {
  const server = floe([
    ...['serve', '--port', '0', '--stun-port', '0', '--ws', '0'],
    ...['--tls-cert', file(`${certificate}.pem`), '--tls-key', file(`${certificate}.key`)],
  ])
  const ready = await server.line((line) => line.type === 'serving')
  const at = (name: string): string => String(ready[name])
  const servers = {
    tls: `sip:${at('tls')};transport=tls`,
    ws: `ws://${at('ws')}/ws`,
    wss: `wss://${at('wss')}/ws`,
  }
  return { sip: at('sip'), servers }
}

test('a call from WebSocket over TLS to TLS is heard, and the keys are logged', async () => {
  const { sip, servers } = await serve('server')
  const keys = join(temporaryFolder(), 'keys')
  const answering = floe([
    ...['answer', '--as', `bob@${sip}`, '--server', servers.tls, ...authority, '--tls-key-log', keys],
    ...['--play', 'tone:620', ...plain],
  ])
  await answering.line((line) => line.type === 'listening')
  const outcome = await run([
    ...['call', `bob@${sip}`, '--as', `alice@${sip}`, '--server', servers.wss, ...authority],
    ...['--hear', 'tone:620'],
  ])
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
  expect(reportOf(outcome).verdict).toMatchObject({ ok: true })
  expect(readFileSync(keys, 'utf8')).toMatch(/^CLIENT_HANDSHAKE_TRAFFIC_SECRET /m)
})

describe('registering', () => {
  const register = (account: string, ...more: string[]) =>
    run(['register', '--once', '--as', account, ...more])

  test.each(['tls', 'ws', 'wss'] as const)('works over %s', async (transport) => {
    const { sip, servers } = await serve('server')
    expect(await register(`alice@${sip}`, '--server', servers[transport], ...authority)).toMatchObject({
      code: 0,
    })
  })

  test.each(['tls', 'wss'] as const)(
    'at a certificate that cannot be trusted fails with what to do over %s, and with --tls-insecure works with a warning',
    async (transport) => {
      const { sip, servers } = await serve('self-signed')
      const refused = await register(`alice@${sip}`, '--server', servers[transport], ...authority)
      expect(refused.code).toBe(10)
      expect(refused.stderr).toMatch(
        /is signed by itself .*: if it is the right one, trust it \(tls.ca, --tls-ca\)/,
      )
      const taken = await register(`alice@${sip}`, '--server', servers[transport], '--tls-insecure')
      expect(taken.code).toBe(0)
      expect(taken.stderr).toMatch(/^! certificates are not verified/)
    },
  )
})
