// Extended reports (RFC 3611) with a real peer: linphone's VoIP metrics are understood, and tshark reads floe's and finds no fault.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { programPath } from '../installed.ts'
import { type Host, startHost } from '../peers/host.ts'
import { Linphone } from '../peers/linphone.ts'
import { startPhone } from '../peers/phone.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'

const run = promisify(execFile)
/** Two reports of each end, at their most rare. */
const withinMs = 40_000

const metrics = (by: 'floe' | 'peer'): Row<Host> => ({
  feature: 'RTCP XR',
  by,
  name: `VoIP metrics: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
  timeoutMs: 120_000,
  run: async (scene, host) => {
    const linphone = await Linphone.start(scene, host)
    const trace = join(scene.folder, 'call.pcapng')
    const phone = await startPhone(scene, { codecs: ['PCMU'], trace })
    const incoming = by === 'peer' ? phone.nextCall({ timeoutMs: 20_000 }) : undefined
    if (incoming) await linphone.dial(`sip:floe@${peerHost}:${phone.addresses[0]!.port}`)
    const call = incoming ? await incoming : await phone.call(linphone.uriOver('udp'))
    if (incoming) await call.answer()
    await call.answered
    await linphone.speaksWith(call, 'tone:620')
    const told = () => call.report().statistics?.remote?.quality
    await eventually(() => told() !== undefined, { what: 'linphone tells how floe sounds', withinMs })
    expect(told()?.mosListening).toBeGreaterThan(1)
    expect(call.report().statistics?.quality?.mosListening).toBeGreaterThan(1)
    // With it the last metrics leave.
    await call.hangUp()
    await phone.stop()
    const fields = ['gmin', 'moslq', 'esdelay'].flatMap((name) => ['-e', `rtcp.xr.voipmetrics.${name}`])
    const ours = ['-Y', `rtcp.xr.voipmetrics.gmin && ip.src == ${peerHost}`, '-T', 'fields', ...fields]
    const read = async (...how: string[]) => (await run(programPath('tshark')!, ['-r', trace, ...how])).stdout
    expect((await read(...ours)).trim().split('\n').at(-1)).toMatch(/^16\t[1-4](\.\d+)?\t\d+$/)
    expect(await read('-Y', `_ws.malformed && rtcp && ip.src == ${peerHost}`)).toBe('')
  },
})

sideBySide({
  peer: 'linphone 5.1',
  heading: 'linphone, extended reports',
  needs: ['linphone', 'tshark', 'namespace'],
  start: async (scene) => startHost(scene),
  rows: [metrics('floe'), metrics('peer')],
})
