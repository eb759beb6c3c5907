// floe with coturn as STUN server (RFC 8489, RFC 8445 5.1.1.2). nftables translates the ports on the way to it, as a NAT would.
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from './case.ts'
import { Asterisk } from './peers/asterisk.ts'
import { Coturn } from './peers/coturn.ts'
import { exit, floe, words } from './peers/floe.ts'
import { translatePortsTowards } from './peers/loss.ts'
import { hello, reply } from './sounds.ts'

const translated = { first: 40_000, last: 40_999 }

const rows: InteropCase[] = []
function row(name: string, run: (scene: Scene, coturn: Coturn, asterisk: Asterisk) => Promise<void>): void {
  rows.push({
    peer: 'coturn (STUN)',
    name,
    needs: ['coturn', 'asterisk', 'namespace'],
    run: async (scene) =>
      run(scene, await Coturn.start(scene), await Asterisk.start(scene, { prompt: reply })),
  })
}

const echo = (asterisk: Asterisk, coturn: Coturn) =>
  words`call ${asterisk.uri('echo')} --as ${asterisk.account('1001')} --stun ${coturn.address} --ice require
        --play ${hello} --hear ${hello}`

row('learns a server-reflexive candidate and offers it', async (scene, coturn, asterisk) => {
  translatePortsTowards(scene, coturn.host, translated)
  const { code, report } = await floe(scene, 'call', echo(asterisk, coturn))
  expect(code).toBe(exit.ok)
  expect(report?.ice.servers).toContainEqual(expect.objectContaining({ outcome: 'answered' }))
  const learned = report?.ice.localCandidates.filter(({ kind }) => kind === 'srflx') ?? []
  expect(learned.length).toBeGreaterThan(0)
  for (const { address } of learned) {
    expect(address.port).toBeGreaterThanOrEqual(translated.first)
    expect(address.port).toBeLessThanOrEqual(translated.last)
  }
  // Of two interfaces with two components the INVITE has room for those of the first.
  const offered = [
    ...asterisk.logText().matchAll(/a=candidate:\S+ [12] UDP \d+ (\S+) (\d+) typ srflx raddr/gi),
  ]
  expect(offered.length).toBeGreaterThan(0)
  for (const [, address, port] of offered)
    expect(learned).toContainEqual(expect.objectContaining({ address: { address, port: Number(port) } }))
})

row('a server that has gone silent costs no call and no second', async (scene, coturn, asterisk) => {
  coturn.freeze()
  const { code, report, lines } = await floe(scene, 'call', echo(asterisk, coturn))
  expect(code).toBe(exit.ok)
  expect(report?.ice.servers).toContainEqual(expect.objectContaining({ outcome: 'timeout' }))
  const gathering = lines.find(({ layer, type }) => layer === 'ice' && type === 'state')
  const invite = lines.find(({ layer, type }) => layer === 'sip' && type === 'message')
  expect(Number(invite?.['at']) - Number(gathering?.['at'])).toBeLessThan(1_000)
})

interop(rows)
