// DTLS-SRTP with libdatachannel (OpenSSL, libsrtp, libjuice), which speaks no SIP: SIPp carries its offer, in the INVITE or in the 200
// to one without. It sends back what it has decrypted, and floe must hear itself; a certificate that is not the one of the description
// is refused at either end, in both roles.
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Call } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { interopFolder } from '../installed.ts'
import { addressOf, expectEcho, startPhone } from '../peers/phone.ts'
import { eventually, PeerProcess, peerHost } from '../peers/process.ts'
import { Sipp } from '../peers/sipp.ts'
import { dialsWith } from '../peers/sipp-calls.ts'
import { isHungUpOn, receive, reply } from '../peers/sipp-scenario.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { proofsOf, securityProof } from './proof.ts'

const peer = 'libdatachannel'

class Libdatachannel {
  private constructor(private readonly process: PeerProcess) {}

  static async start(scene: Scene, codec: string): Promise<Libdatachannel> {
    const process_ = await PeerProcess.start(scene, {
      name: 'libdatachannel',
      program: process.execPath,
      args: [join(import.meta.dirname, '../peers/libdatachannel.mjs'), codec, peerHost],
      env: { FLOE_PEERS: interopFolder },
      input: true,
    })
    return new Libdatachannel(process_)
  }

  async offer(): Promise<string> {
    return JSON.parse(await this.told(/^offer (.*)$/m))
  }

  answer(description: string): void {
    this.process.tell(JSON.stringify(description))
  }

  async told(pattern: RegExp): Promise<string> {
    return await eventually(() => pattern.exec(this.process.logText())?.[1], {
      what: `libdatachannel tells ${pattern}`,
      withinMs: 20_000,
    })
  }
}

interface Ends {
  readonly call: Call
  readonly sipp: Sipp
  readonly libdatachannel: Libdatachannel
}

interface Options {
  readonly codec?: string
  readonly role: 'client' | 'server'
  /** What the man in the middle makes of the descriptions. */
  readonly towardsFloe?: (description: string) => string
  readonly towardsPeer?: (description: string) => string
}

const unchanged = (description: string) => description

async function connect(scene: Scene, by: 'floe' | 'peer', options: Options): Promise<Ends> {
  const { codec = 'opus', role, towardsFloe = unchanged, towardsPeer = unchanged } = options
  const libdatachannel = await Libdatachannel.start(scene, codec)
  const offered = (await libdatachannel.offer()).trim()
  // Who offers "active" leaves the server's role to the other one.
  const inRole = role === 'server' ? offered.replace('a=setup:actpass', 'a=setup:active') : offered
  const body = { type: 'application/sdp', text: towardsFloe(inRole.replaceAll('\r', '')) }
  const phone = await startPhone(scene, { codecs: [codec], ice: 'require', srtp: 'require' })
  const place = async (): Promise<{ call: Call; sipp: Sipp }> => {
    if (by === 'floe') {
      const takes = [receive('INVITE'), reply(180), reply(200, { body }), receive('ACK', { body: 'v=0' })]
      const sipp = await Sipp.called(scene, [...takes, ...isHungUpOn])
      return { call: await phone.call(sipp.uri(), { lateOffer: true }), sipp }
    }
    const incoming = phone.nextCall({ timeoutMs: 20_000 })
    const sipp = await Sipp.calls(scene, addressOf(phone), [...dialsWith(body), ...isHungUpOn])
    const call = await incoming
    return { call, sipp }
  }
  const { call, sipp } = await place()
  const answered = by === 'peer' ? call.answer() : call.answered
  libdatachannel.answer(towardsPeer(await sipp.descriptionOfOther()))
  await answered
  return { call, sipp, libdatachannel }
}

const rows: Row<void>[] = []
for (const by of ['floe', 'peer'] as const)
  for (const role of ['client', 'server'] as const)
    for (const codec of role === 'client' ? ['opus', 'PCMU'] : ['PCMA'])
      rows.push({
        by,
        name: `${codec}, ${by === 'floe' ? 'floe calls' : 'floe is called'}, floe is the ${role} of DTLS`,
        run: async (scene) => {
          const { call, sipp, libdatachannel } = await connect(scene, by, { codec, role })
          await expectEcho(call)
          const shown = /^a=fingerprint:sha-256 (\S+)/im.exec(await sipp.descriptionOfOther())?.[1]
          expect(await libdatachannel.told(/^fingerprint sha-256 (\S+)$/m)).toBe(shown)
          expect((await call.hangUp()).srtp?.by).toBe('dtls')
          await sipp.finished()
          return proofsOf(call, { peer, by })
        },
      })

/** Of a certificate that neither end has. */
const anotherFingerprint = (description: string): string =>
  description.replace(/^(a=fingerprint:\S+ ).*$/m, `$1${Array(32).fill('A5').join(':')}`)

for (const role of ['client', 'server'] as const) {
  rows.push(
    {
      by: 'both',
      name: `another certificate than the one described, floe is the ${role}: floe refuses it`,
      run: async (scene) => {
        const { call } = await connect(scene, 'peer', { role, towardsFloe: anotherFingerprint })
        const { outcome, verdict, statistics } = await call.ended
        expect(outcome.by).toBe('local')
        expect(verdict).toMatchObject({ ok: false, layer: 'srtp' })
        expect(statistics?.sent.packets ?? 0).toBe(0)
        return [securityProof('man in the middle: refused', { peer, by: 'floe' })]
      },
    },
    {
      by: 'both',
      name: `another certificate than the one described, floe is the ${role}: libdatachannel refuses floe's`,
      run: async (scene) => {
        const { libdatachannel } = await connect(scene, 'peer', { role, towardsPeer: anotherFingerprint })
        await libdatachannel.told(/^state (failed)$/m)
        return [securityProof('man in the middle: refused', { peer, by: 'peer' })]
      },
    },
  )
}

sideBySide({ peer, needs: ['node-datachannel', 'sipp'], start: async () => undefined, rows })
