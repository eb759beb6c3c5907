// floe with coturn as STUN server (RFC 8489, RFC 8445 5.1.1.2). nftables translates the ports on the way to it, as a NAT would.
import { expect } from 'vitest'
import { type InteropCase, interop } from './case.ts'
import { Asterisk } from './peers/asterisk.ts'
import { Coturn } from './peers/coturn.ts'
import { exit, floe } from './peers/floe.ts'
import { translatePortsTowards } from './peers/loss.ts'
import { hello, reply } from './sounds.ts'

const peer = 'coturn (STUN)'
const needs = ['coturn', 'asterisk', 'namespace'] as const
const translated = { first: 40_000, last: 40_999 }

const rows: InteropCase[] = [
  {
    peer,
    name: 'learns a server-reflexive candidate and offers it',
    needs,
    async run(scene) {
      const asterisk = await Asterisk.start(scene, { prompt: reply })
      const coturn = await Coturn.start(scene)
      translatePortsTowards(scene, coturn.host, translated)
      const { code, report } = await floe(scene, 'call', [
        ...['call', asterisk.uri('echo'), '--as', asterisk.account('1001'), '--stun', coturn.address],
        ...['--play', hello, '--hear', hello, '--ice', 'require'],
      ])
      expect(code).toBe(exit.ok)
      expect(report?.ice.servers).toContainEqual(expect.objectContaining({ outcome: 'answered' }))
      const learned = report?.ice.localCandidates.filter(({ kind }) => kind === 'srflx') ?? []
      expect(learned.length).toBeGreaterThan(0)
      for (const { address } of learned) {
        expect(address.port).toBeGreaterThanOrEqual(translated.first)
        expect(address.port).toBeLessThanOrEqual(translated.last)
        expect(asterisk.logText()).toMatch(
          new RegExp(
            `a=candidate:\\S+ [12] UDP \\d+ ${address.address} ${address.port} typ srflx raddr \\S+ rport \\d+`,
            'i',
          ),
        )
      }
    },
  },
  {
    peer,
    name: 'a server that has gone silent costs no call and little time',
    needs,
    async run(scene) {
      const asterisk = await Asterisk.start(scene, { prompt: reply })
      const coturn = await Coturn.start(scene)
      coturn.freeze()
      const { code, report } = await floe(scene, 'call', [
        ...['call', asterisk.uri('echo'), '--as', asterisk.account('1001'), '--stun', coturn.address],
        ...['--play', hello, '--hear', hello, '--ice', 'require'],
      ])
      expect(code).toBe(exit.ok)
      expect(report?.ice.gatheringMs).toBeLessThan(1_000)
    },
  },
]

interop(rows)
