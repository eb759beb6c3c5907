// A domain of two Kamailios that is known by its SRV records alone (RFC 3263): floe goes to the one that lives, and moves when it dies.
import { expect } from 'vitest'
import { a, DnsServer, srv } from '../../e2e/dns/dns-server.ts'
import { type InteropCase, interop, type Scene } from '../case.ts'
import { exit, Floe, floe, words } from '../peers/floe.ts'
import { Kamailio } from '../peers/kamailio.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { hello, reply } from '../sounds.ts'

const domain = 'floe.test'

interface Domain {
  first: Kamailio
  second: Kamailio
  dns: DnsServer
}

async function start(scene: Scene): Promise<Domain> {
  const first = await Kamailio.start(scene, { name: 'first', domain })
  const second = await Kamailio.start(scene, { name: 'second', domain })
  const servers = [first, second].map(({ port }, i) => srv(i, 1, port, `host.${domain}`))
  const dns = await DnsServer.open({
    [`_sip._udp.${domain}`]: servers,
    [`_sip._tcp.${domain}`]: servers,
    [`host.${domain}`]: [a(peerHost)],
  })
  scene.onEnd(() => dns.close())
  return { first, second, dns }
}

const rows: InteropCase[] = []
const row = (name: string, run: (scene: Scene, domain: Domain) => Promise<void>): void => {
  rows.push({
    peer: 'Kamailio',
    name,
    needs: ['kamailio'],
    timeoutMs: 120_000,
    run: async (scene) => run(scene, await start(scene)),
  })
}

const phone = (user: string, transport: string, { dns }: Domain): string[] =>
  words`--as ${user}:pw${user}@${domain} --transport ${transport} --dns ${dns.address}`

async function callAndHear(scene: Scene, transport: string, place: Domain): Promise<void> {
  const hearing = words`--play ${hello} --hear ${reply}`
  const alice = await floe(scene, 'alice', words`call 2002 ${phone('2001', transport, place)} ${hearing}`)
  expect(alice.code).toBe(exit.ok)
}

row(
  'phones of a domain whose first server is dead register and call by its SRV records, UDP',
  async (scene, place) => {
    await place.first.kill()
    const args = words`answer ${phone('2002', 'udp', place)} --play ${reply} --hear ${hello}`
    const bob = Floe.start(scene, 'bob', args)
    await bob.listening()
    expect(await place.second.hasContact('2002')).toBe(true)
    await callAndHear(scene, 'udp', place)
    expect((await bob.ended()).code).toBe(exit.ok)
  },
)

row(
  'the server is killed, and its phones are called through the next one of its SRV records, TCP',
  async (scene, place) => {
    const args = words`answer ${phone('2002', 'tcp', place)} --play ${reply} --hear ${hello}`
    const bob = Floe.start(scene, 'bob', args)
    await bob.listening()
    expect(await place.first.hasContact('2002')).toBe(true)
    await place.first.kill()
    await eventually(() => place.second.hasContact('2002'), {
      what: 'bob is registered at the second server',
      withinMs: 30_000,
    })
    await callAndHear(scene, 'tcp', place)
    expect((await bob.ended()).code).toBe(exit.ok)
  },
)

interop(rows)
