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

async function serve(address: string, offered = protocols) {
  const server = await startServer({
    runtime: nodeRuntime,
    listen: offered.map((protocol) => ({ protocol, address, port: 0 })),
    tls: { cert: pem('server.pem'), key: pem('server.key') },
    users: { alice: 'secret', bob: 'secret' },
    challengeCalls: true,
  })
  closers.push(() => server.stop())
  const host = address.includes(':') ? `[${address}]` : address
  const at = (protocol: Protocol): string =>
    `${host}:${server.sip.find((point) => point.protocol === protocol)!.port}`
  const phone = async (user: string, protocol: Protocol, ...more: Protocol[]): Promise<Phone> => {
    const started = await Phone.start({
      codecs: ['PCMU'],
      account: `sip:${user}@${at('udp')}`,
      password: 'secret',
      // A WebSocket in the words of browsers.
      server: protocol.startsWith('ws')
        ? `${protocol}://${at(protocol)}/ws`
        : `sip:${at(protocol)};transport=${protocol}`,
      listen: ['udp' as const, ...more].map((one) => ({ protocol: one, address, port: 0 })),
      tls: { ca: pem('ca.pem') },
    })
    closers.push(() => started.stop())
    return started
  }
  return { at, phone }
}

/** Each calls the other through the server, and both are heard. */
async function expectCallsBothWays(alice: Phone, bob: Phone, server: string): Promise<void> {
  for (const [from, to, user] of [
    [alice, bob, 'bob'],
    [bob, alice, 'alice'],
  ] as const) {
    const incoming = to.nextCall()
    const call = await from.call(`sip:${user}@${server}`, { play: 'tone:440' })
    const answered = await incoming
    await answered.answer({ play: 'tone:620' })
    expect((await answered.waitToHear('tone:440', 30_000)).heard).toBe(true)
    expect((await call.waitToHear('tone:620', 30_000)).heard).toBe(true)
    await answered.hangUp()
    expect((await call.ended).verdict).toMatchObject({ ok: true })
  }
}

test.each(
  protocols.flatMap((protocol) => ['127.0.0.1', '::1'].map((address) => [protocol, address] as const)),
)('a phone on %s at %s registers, calls, is called back', async (protocol, address) => {
  const { at, phone } = await serve(address)
  const alice = await phone('alice', protocol)
  const bob = await phone('bob', other[protocol])
  expect(alice.registrationState).toMatchObject({ state: 'registered' })
  await expectCallsBothWays(alice, bob, at('udp'))
})

test('a phone on wss and one on udp that also takes TCP call each other where the server has no point for TCP', async () => {
  const { at, phone } = await serve('127.0.0.1', ['udp', 'wss'])
  const alice = await phone('alice', 'wss')
  // Of one port for both.
  const bob = await phone('bob', 'udp', 'tcp')
  await expectCallsBothWays(alice, bob, at('udp'))
})

test('two accounts of sips: talk, and every hop is TLS; one of sip: is not called so', async () => {
  const { at, phone } = await serve('127.0.0.1')
  const start = async (user: string): Promise<Phone> => {
    const started = await Phone.start({
      codecs: ['PCMU'],
      account: `sips:${user}@${at('tls')}`,
      password: 'secret',
      listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
      tls: { ca: pem('ca.pem') },
    })
    closers.push(() => started.stop())
    return started
  }
  const alice = await start('alice')
  const bob = await start('bob')
  const incoming = bob.nextCall()
  const call = await alice.call('bob', { play: 'tone:440' })
  const answered = await incoming
  await answered.answer({ play: 'tone:620' })
  expect((await answered.waitToHear('tone:440', 30_000)).heard).toBe(true)
  await answered.hangUp()
  await call.ended
  const protocols = [call, answered].flatMap(({ trace }) =>
    trace.facts.flatMap((fact) => (fact.layer === 'sip' && fact.type === 'message' ? fact.protocol : [])),
  )
  expect(new Set(protocols)).toEqual(new Set(['tls']))
  await bob.stop()
  await phone('bob', 'tls')
  const refused = await alice.call('bob')
  await expect(refused.answered).rejects.toMatchObject({ status: 480 })
})

test('what does not fit sips: is refused in a sentence', async () => {
  const { at } = await serve('127.0.0.1')
  const start = Phone.start({
    account: 'sips:alice@pbx.example',
    server: `sip:${at('tcp')};transport=tcp`,
    listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
  })
  await expect(start).rejects.toThrow(/sips:pbx.example wants TLS on the whole way.*reached over tcp/)
})
