// Two phones register at one server, each over a transport of its own, and call each other through it: every transport, both IP
// versions, audio proved in both directions, and the call ended by the one that was called.
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { startServer } from '../../../src/serve/server.ts'
import type { Protocol } from '../../../src/sip/flow.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')
const protocols: readonly Protocol[] = ['udp', 'tcp', 'tls', 'ws', 'wss']
/** The other phone's: the server stands between any two of them. */
const other: Readonly<Record<Protocol, Protocol>> = {
  udp: 'wss',
  tcp: 'udp',
  tls: 'tcp',
  ws: 'tls',
  wss: 'ws',
}

async function serve(address: string) {
  const server = await startServer({
    runtime: nodeRuntime,
    listen: protocols.map((protocol) => ({ protocol, address, port: 0 })),
    tls: { cert: pem('server.pem'), key: pem('server.key') },
    users: { alice: 'secret', bob: 'secret' },
    challengeCalls: true,
  })
  closers.push(() => server.stop())
  const host = address.includes(':') ? `[${address}]` : address
  const at = (protocol: Protocol): string =>
    `${host}:${server.sip.find((point) => point.protocol === protocol)!.port}`
  const phone = async (user: string, protocol: Protocol): Promise<Phone> => {
    const started = await Phone.start({
      account: `sip:${user}@${at('udp')}`,
      password: 'secret',
      // A WebSocket in the words of browsers.
      server: protocol.startsWith('ws')
        ? `${protocol}://${at(protocol)}/ws`
        : `sip:${at(protocol)};transport=${protocol}`,
      listen: [{ protocol: 'udp', address, port: 0 }],
      tls: { ca: pem('ca.pem') },
    })
    closers.push(() => started.stop())
    return started
  }
  return { at, phone }
}

test.each(
  protocols.flatMap((protocol) => ['127.0.0.1', '::1'].map((address) => [protocol, address] as const)),
)('a phone on %s at %s registers, calls, is called back', async (protocol, address) => {
  const { at, phone } = await serve(address)
  const alice = await phone('alice', protocol)
  const bob = await phone('bob', other[protocol])
  expect(alice.registrationState).toMatchObject({ state: 'registered' })
  for (const [from, to, user] of [
    [alice, bob, 'bob'],
    [bob, alice, 'alice'],
  ] as const) {
    const incoming = to.nextCall()
    const call = await from.call(`sip:${user}@${at('udp')}`, { play: 'tone:440' })
    const answered = await incoming
    await answered.answer({ play: 'tone:620' })
    expect((await answered.waitToHear('tone:440', 10_000)).heard).toBe(true)
    expect((await call.waitToHear('tone:620', 10_000)).heard).toBe(true)
    await answered.hangUp()
    expect((await call.ended).verdict).toMatchObject({ ok: true })
  }
})
