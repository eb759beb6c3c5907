// What real peers make of floe's extended reports, and floe of theirs (RFC 3611).
import { expect } from 'vitest'
import { type Host, startHost } from '../peers/host.ts'
import { Linphone } from '../peers/linphone.ts'
import { startPhone } from '../peers/phone.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'

const rows = (['floe', 'peer'] as const).map(
  (by): Row<Host> => ({
    feature: 'RTCP XR',
    by,
    name: `VoIP metrics both ways: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
    timeoutMs: 120_000,
    run: async (scene, host) => {
      const linphone = await Linphone.start(scene, host)
      const phone = await startPhone(scene, { codecs: ['PCMU'] })
      const incoming = by === 'peer' ? phone.nextCall({ timeoutMs: 20_000 }) : undefined
      if (incoming) await linphone.dial(`sip:floe@${peerHost}:${phone.addresses[0]!.port}`)
      const call = incoming ? await incoming : await phone.call(linphone.uriOver('udp'))
      if (incoming) await call.answer()
      await call.answered
      await linphone.speaksWith(call, 'tone:620')
      await eventually(() => call.report().statistics?.remote?.quality !== undefined, {
        what: 'linphone tells how floe sounds',
        withinMs: 30_000,
      })
      const report = await call.hangUp()
      console.log(JSON.stringify(report.statistics))
      expect(report.statistics?.remote?.quality?.lossPercent).toBeLessThan(50)
    },
  }),
)

sideBySide({
  peer: 'linphone 5.1',
  heading: 'linphone, extended reports',
  needs: ['linphone', 'namespace'],
  start: async (scene) => startHost(scene),
  rows,
})
