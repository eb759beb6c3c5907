// Whole phones and the command line at a domain that is known by SRV records alone: its first server is dead, its second dies.
import { createServer } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type RunningServer, startServer } from '../../../src/serve/server.ts'
import { run } from '../cli/cli.ts'
import { a, DnsServer, srv } from './dns-server.ts'

const toStop: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of toStop.splice(0).reverse()) await stop()
})

async function registrar(): Promise<{ server: RunningServer; port: number }> {
  const server = await startServer({
    runtime: nodeRuntime,
    listen: [{ protocol: 'tcp', address: '127.0.0.1', port: 0 }],
    users: { alice: 'wonder', bob: 'builder' },
  })
  toStop.push(() => server.stop())
  return { server, port: server.sip[0]!.port }
}

/** A port at which nobody listens. */
async function deadPort(): Promise<number> {
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }
  await new Promise((resolve) => listener.close(resolve))
  return port
}

async function domain(...ports: number[]): Promise<DnsServer> {
  const dns = await DnsServer.open({
    '_sip._tcp.example.com': ports.map((port, i) => srv(i, 1, port, 'host.example.com')),
    'host.example.com': [a('127.0.0.1')],
  })
  toStop.push(() => dns.close())
  return dns
}

async function phone(dns: DnsServer, user: 'alice' | 'bob', password: string): Promise<Phone> {
  const started = await Phone.start({
    account: `sip:${user}@example.com`,
    password,
    dnsServers: [dns.address],
    listen: [{ protocol: 'tcp', address: '127.0.0.1', port: 0 }],
  })
  toStop.push(() => started.stop())
  return started
}

async function call(from: Phone, to: Phone): Promise<void> {
  const ringing = to.nextCall()
  const outgoing = await from.call('bob')
  const incoming = await ringing
  await incoming.answer()
  await Promise.all([outgoing.connected, incoming.connected])
  await outgoing.hangUp()
  await incoming.ended
}

test('phones register and call past a dead server, and move on when theirs dies', {
  timeout: 60_000,
}, async () => {
  const [first, second] = [await registrar(), await registrar()]
  const dns = await domain(await deadPort(), first.port, second.port)
  const bob = await phone(dns, 'bob', 'builder')
  const alice = await phone(dns, 'alice', 'wonder')
  expect(first.server.registrations()).toHaveLength(2)
  await call(alice, bob)
  first.server.stop()
  await vi.waitFor(() => expect(second.server.registrations()).toHaveLength(2), {
    timeout: 30_000,
    interval: 50,
  })
  await vi.waitFor(() => expect(alice.registrationState?.state).toBe('registered'), { timeout: 30_000 })
  await vi.waitFor(() => expect(bob.registrationState?.state).toBe('registered'), { timeout: 30_000 })
  await call(alice, bob)
})

test('floe register --dns asks the server that is named', { timeout: 60_000 }, async () => {
  const { port } = await registrar()
  const dns = await domain(await deadPort(), port)
  const outcome = await run(
    ['register', '--once', '--as', 'bob@example.com', '--transport', 'tcp', '--dns', dns.address],
    { FLOE_PASSWORD: 'builder' },
  )
  expect(outcome).toMatchObject({ code: 0 })
  expect(dns.questions).toContain('SRV _sip._tcp.example.com')
})

test('floe doctor --dns tells the records', { timeout: 60_000 }, async () => {
  const { port } = await registrar()
  const dns = await domain(port)
  const { stdout } = await run(['doctor', 'sip:example.com', '--transport', 'tcp', '--dns', dns.address])
  expect(stdout).toContain(`_sip._tcp.example.com is host.example.com:${port} (SRV`)
  expect(stdout).toContain(`127.0.0.1:${port} answers`)
})

test('a DNS server that is no address is a mistake', async () => {
  const outcome = await run(['register', '--once', '--as', 'bob@example.com', '--dns', 'dns.example'])
  expect(outcome).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('"dns.example" is no DNS server: give its address'),
  })
})

test('--route puts proxies before a registration', { timeout: 60_000 }, async () => {
  const { port } = await registrar()
  const proxy = `sip:127.0.0.1:${port};transport=tcp;lr`
  const outcome = await run(['register', '--once', '--as', 'bob@example.com', '--route', proxy], {
    FLOE_PASSWORD: 'builder',
  })
  expect(outcome).toMatchObject({ code: 0 })
})
