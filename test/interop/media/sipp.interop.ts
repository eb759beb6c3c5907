// What SIPp has of media: it sends back G.711 as it came, and plays captures of others' RTP, speech and digits.
import { join } from 'node:path'
import { expect } from 'vitest'
import { addressOf, expectEcho, startPhone } from '../peers/phone.ts'
import { Sipp } from '../peers/sipp.ts'
import { called, calling, dialsWith, takes } from '../peers/sipp-calls.ts'
import { hangUp, isHungUpOn, play, sdp } from '../peers/sipp-scenario.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { digitsProof, proofsOf } from './proof.ts'

const peer = 'SIPp'
/** Debian's own, of packages of 20 ms. */
const captures = '/usr/share/sip-tester'
const rows: Row<void>[] = []

for (const [codec, payloadType] of [
  ['PCMU', 0],
  ['PCMA', 8],
] as const)
  for (const by of ['floe', 'peer'] as const)
    rows.push({
      by,
      name: `${codec} sent back: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
      run: async (scene) => {
        const body = sdp({ payloadType })
        const steps = [...(by === 'floe' ? takes(body) : dialsWith(body)), ...isHungUpOn]
        const { call, sipp } = await (by === 'floe'
          ? calling(scene, steps, { phone: { codecs: [codec] } })
          : called(scene, steps, { codecs: [codec] }))
        await call.answered
        await expectEcho(call)
        await call.hangUp()
        await sipp.finished()
        return proofsOf(call, { peer, by })
      },
    })

rows.push({
  by: 'peer',
  name: 'digits of another phone, as they were recorded',
  run: async (scene) => {
    const digits = ['1', '5', '9', 'star', 'pound']
    const plays = digits.map((digit) => play(join(captures, `dtmf_2833_${digit}.pcap`), 500))
    const phone = await startPhone(scene, { codecs: ['PCMU'] })
    const incoming = phone.nextCall({ timeoutMs: 20_000 })
    const sipp = await Sipp.calls(scene, addressOf(phone), [...dialsWith(sdp()), ...plays, ...hangUp])
    const call = await incoming
    await call.answer({ silence: false }) // or it would come back, and be the voice that counts
    await call.waitForDtmf('159*#', 20_000)
    await sipp.finished()
    expect((await call.ended).dtmf.received).toBe('159*#')
    return [digitsProof({ peer, by: 'peer' })]
  },
})

sideBySide({ peer, heading: 'SIPp, media', needs: ['sipp', 'namespace'], start: async () => undefined, rows })
