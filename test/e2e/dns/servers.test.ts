// From names to servers on real sockets: a name server of the test's own, SIP servers that answer, refuse, are silent or die.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { formatAddress } from '../../../src/runtime/address.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import type { Runtime } from '../../../src/runtime/runtime.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { Listener, sdp } from '../../unit/sip-ua/scripted-peer.ts'
import { a, aaaa, DnsServer, naptr, srv, type Zone } from './dns-server.ts'
import { type Behaviour, SipServer } from './sip-server.ts'

const open: { close(): void }[] = []
const agents: UserAgent[] = []
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop({ deadlineMs: 100 })))
  for (const server of open.splice(0)) server.close()
})

const answers: Behaviour = () => ({ status: 200 })
const silence: Behaviour = () => undefined
async function server(behaviour: Behaviour = answers, address?: string): Promise<SipServer> {
  const opened = await SipServer.open(behaviour, address)
  open.push(opened)
  return opened
}
async function names(zone: Zone): Promise<DnsServer> {
  const opened = await DnsServer.open(zone)
  open.push(opened)
  return opened
}
/** A TCP port at which nobody listens. */
async function deadPort(): Promise<number> {
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }
  await new Promise((resolve) => listener.close(resolve))
  return port
}
async function agent(dns: DnsServer, address = '127.0.0.1', tls?: { ca: string }): Promise<UserAgent> {
  const [host = '', port] = dns.address.split(':')
  const runtime: Runtime = {
    ...nodeRuntime,
    random: new SeededRandom(7),
    network: nodeRuntime.network.withNameServers([{ address: host, port: Number(port) }]),
  }
  const started = await UserAgent.start({
    runtime,
    ...(tls && { tls }),
    listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address, port: 0 })),
  })
  agents.push(started)
  return started
}

test('NAPTR, SRV and addresses lead past a refused connection and a silent server to the one that answers', async () => {
  const [silent, live] = [await server(silence), await server()]
  const dns = await names({
    'example.com': [
      naptr(10, 'SIP+D2T', '_sip._tcp.example.com'),
      naptr(20, 'SIP+D2U', '_sip._udp.example.com'),
    ],
    '_sip._tcp.example.com': [srv(0, 1, await deadPort(), 'one.example.com')],
    '_sip._udp.example.com': [
      srv(0, 1, silent.port, 'one.example.com'),
      srv(1, 1, live.port, 'two.example.com'),
    ],
    'one.example.com': [a('127.0.0.1')],
    'two.example.com': [a('127.0.0.1')],
  })
  const phone = await agent(dns)
  expect(await phone.options('sip:bob@example.com')).toMatchObject({ status: 200 })
  expect(silent.requests.length).toBeGreaterThan(2)
  expect(live.requests).toHaveLength(1)
  expect(live.requests[0]!.topVia.params.get('branch')).not.toBe(
    silent.requests[0]!.topVia.params.get('branch'),
  )
  const asked = dns.questions.length
  // Everybody knows now who is down, and what the names are.
  expect(await phone.options('sip:carol@example.com')).toMatchObject({ status: 200 })
  expect(silent.requests.every(({ uriText }) => uriText.includes('bob'))).toBe(true)
  expect(dns.questions).toHaveLength(asked)
})

test('three servers share the requests as their weights say', async () => {
  const servers = [await server(), await server(), await server()]
  const dns = await names({
    '_sip._udp.example.com': [70, 20, 10].map((weight, i) =>
      srv(0, weight, servers[i]!.port, 'one.example.com'),
    ),
    'one.example.com': [a('127.0.0.1')],
  })
  const phone = await agent(dns)
  const asked = Array.from({ length: 100 }, (_, i) => phone.options(`sip:${i}@example.com;transport=udp`))
  await Promise.all(asked)
  const [most = 0, some = 0, few = 0] = servers.map(({ requests }) => requests.length)
  expect(most).toBeGreaterThan(some)
  expect(some).toBeGreaterThan(few)
  expect(few).toBeGreaterThan(0)
})

test('503 sends the request to the next server, and Retry-After all others', async () => {
  const busy = await server(() => ({ status: 503, headers: [['Retry-After', '60']] }))
  const live = await server()
  const dns = await names({
    '_sip._tcp.example.com': [
      srv(0, 1, busy.port, 'one.example.com'),
      srv(1, 1, live.port, 'one.example.com'),
    ],
    'one.example.com': [a('127.0.0.1')],
  })
  const phone = await agent(dns)
  expect(await phone.options('sip:a@example.com;transport=tcp')).toMatchObject({ status: 200 })
  expect(await phone.options('sip:b@example.com;transport=tcp')).toMatchObject({ status: 200 })
  expect(busy.requests).toHaveLength(1)
  expect(live.requests).toHaveLength(2)
})

test('a server that hangs up in the middle of a request is passed over', async () => {
  const dying = await server(() => {
    dying.close()
    return undefined
  })
  const live = await server()
  const dns = await names({
    '_sip._tcp.example.com': [
      srv(0, 1, dying.port, 'one.example.com'),
      srv(1, 1, live.port, 'one.example.com'),
    ],
    'one.example.com': [a('127.0.0.1')],
  })
  open.splice(open.indexOf(dying), 1)
  const phone = await agent(dns)
  expect(await phone.options('sip:a@example.com;transport=tcp')).toMatchObject({ status: 200 })
  expect(dying.requests).toHaveLength(1)
})

describe('a connection that is lost', () => {
  const first = async (status: number) => {
    const dying = await server((request) => {
      if (request.method !== 'INVITE') return undefined
      setImmediate(() => dying.cut())
      return { status, headers: [['Contact', '<sip:bob@127.0.0.1>']] }
    })
    const live = await server(() => ({ status: 486 }))
    const dns = await names({
      '_sip._tcp.example.com': [
        srv(0, 1, dying.port, 'one.example.com'),
        srv(1, 1, live.port, 'one.example.com'),
      ],
      'one.example.com': [a('127.0.0.1')],
    })
    const listener = new Listener()
    ;(await agent(dns)).invite('sip:bob@example.com;transport=tcp', listener, { offer: sdp() })
    return { end: await listener.end, live }
  }
  test('after a 100 sends the INVITE to the next server', async () => {
    const { end, live } = await first(100)
    expect(end).toMatchObject({ by: 'remote', status: 486 })
    await vi.waitFor(() => expect(live.requests.map(({ method }) => method)).toEqual(['INVITE', 'ACK']))
  })
  test('while it rings makes no other telephone ring', async () => {
    const { end, live } = await first(180)
    expect(end).toMatchObject({ by: 'network' })
    expect(live.requests).toEqual([])
  })
})

describe('sips', () => {
  const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')
  const secure = async (certificate: string): Promise<UserAgent> => {
    const started = await UserAgent.start({
      runtime: nodeRuntime,
      listen: [{ protocol: 'tls', address: '127.0.0.1', port: 0 }],
      tls: { cert: pem(`${certificate}.pem`), key: pem(`${certificate}.key`) },
    })
    agents.push(started)
    return started
  }
  test('is believed by the name of the domain, whatever its server is called; who cannot prove it is passed over', async () => {
    // A certificate of elsewhere.example, which is the name that SRV gives: whoever forges an answer could have that.
    const [forger, honest] = [await secure('wrong-host'), await secure('server')]
    const dns = await names({
      '_sips._tcp.pbx.example': [
        srv(0, 1, forger.addresses[0]!.port, 'elsewhere.example'),
        srv(1, 1, honest.addresses[0]!.port, 'one.elsewhere.example'),
      ],
      'elsewhere.example': [a('127.0.0.1')],
      'one.elsewhere.example': [a('127.0.0.1')],
    })
    const phone = await agent(dns, '127.0.0.1', { ca: pem('ca.pem') })
    expect(await phone.options('sips:bob@pbx.example')).toMatchObject({ status: 200 })
    const alone = await names({
      '_sips._tcp.pbx.example': [srv(0, 1, forger.addresses[0]!.port, 'elsewhere.example')],
      'elsewhere.example': [a('127.0.0.1')],
    })
    const other = await agent(alone, '127.0.0.1', { ca: pem('ca.pem') })
    await expect(other.options('sips:bob@pbx.example')).rejects.toThrow(/certificate/)
  })
})

test('all servers refuse: one sentence tells how many, and why', async () => {
  const dns = await names({
    '_sip._tcp.example.com': [
      srv(0, 1, await deadPort(), 'one.example.com'),
      srv(1, 1, await deadPort(), 'one.example.com'),
    ],
    'one.example.com': [a('127.0.0.1')],
  })
  const phone = await agent(dns)
  await expect(phone.options('sip:a@example.com;transport=tcp')).rejects.toThrow(
    /none of 2 servers was reached; the last one: TCP 127\.0\.0\.1:\d+ refused the connection/,
  )
})

const hasIpv6 = Object.values(networkInterfaces()).some((i) => i?.some(({ address }) => address === '::1'))
test.skipIf(!hasIpv6)('AAAA: over IPv6, and from IPv4 alone to the address that can be reached', async () => {
  const [six, four] = [await server(answers, '::1'), await server()]
  const dns = await names({
    '_sip._udp.six.example': [srv(0, 1, six.port, 'host.six.example')],
    'host.six.example': [aaaa('::1'), a('127.0.0.1')],
    '_sip._udp.four.example': [srv(0, 1, four.port, 'host.six.example')],
  })
  expect(await (await agent(dns, '::1')).options('sip:six.example')).toMatchObject({ status: 200 })
  expect(six.requests[0]!.topVia.host).toBe('::1')
  expect(await (await agent(dns)).options('sip:four.example')).toMatchObject({ status: 200 })
})

describe('a name server that', () => {
  const zone = async (): Promise<{ zone: Zone; live: SipServer }> => {
    const live = await server()
    return {
      live,
      zone: {
        '_sip._udp.example.com': [srv(0, 1, live.port, 'one.example.com')],
        'one.example.com': [a('127.0.0.1')],
      },
    }
  }
  test('has more to say than a datagram holds is asked over TCP', async () => {
    const dns = await names((await zone()).zone)
    dns.fault = 'truncated'
    expect(await (await agent(dns)).options('sip:example.com')).toMatchObject({ status: 200 })
    expect(dns.overTcp).toBeGreaterThan(0)
  })
  test('knows no such name is quoted', async () => {
    const dns = await names({})
    await expect((await agent(dns)).options('sip:nobody.example.com')).rejects.toThrow(
      /could not resolve nobody\.example\.com \(ENOTFOUND\): check the name/,
    )
  })
  test('fails is quoted', async () => {
    const dns = await names({})
    dns.fault = 'servfail'
    await expect((await agent(dns)).options('sip:example.com')).rejects.toThrow(
      /could not resolve example\.com \(ESERVFAIL\): the name server failed/,
    )
  })
  test('is silent is quoted, before anybody gives up waiting', async () => {
    const dns = await names({})
    dns.fault = 'silent'
    await expect((await agent(dns)).options('sip:example.com')).rejects.toThrow(
      /could not resolve example\.com.*(did not answer|no answer within)/,
    )
  })
  test('is silent gives way to the next one', async () => {
    const { zone: known } = await zone()
    const [dead, live] = [await names({}), await names(known)]
    dead.fault = 'silent'
    const servers = [dead, live].map(({ address }) => ({
      address: '127.0.0.1',
      port: Number(address.split(':')[1]),
    }))
    const network = nodeRuntime.network.withNameServers(servers)
    expect(await network.resolve('one.example.com')).toEqual(['127.0.0.1'])
    expect(await network.resolveSrv('_sip._udp.example.com')).toHaveLength(1)
    expect(formatAddress(servers[0]!)).toBe(dead.address)
  })
  test('tells lifetimes of addresses, and no records at all of what it does not have', async () => {
    const dns = await names({ 'one.example.com': [a('127.0.0.1', 17)] })
    const network = nodeRuntime.network.withNameServers([
      { address: '127.0.0.1', port: Number(dns.address.split(':')[1]) },
    ])
    expect(await network.resolveAddresses('one.example.com')).toEqual([
      { address: '127.0.0.1', ttlSeconds: 17 },
    ])
    expect(await network.resolveSrv('_sip._udp.example.com')).toEqual([])
    expect(await network.resolveNaptr('one.example.com')).toEqual([])
  })
})
