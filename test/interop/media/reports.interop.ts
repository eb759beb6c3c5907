// Extended reports (RFC 3611) with a real peer: linphone's VoIP metrics are understood, and tshark reads floe's and finds no fault.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import type { Call, Phone } from '../../../src/index.ts'
import { programPath } from '../installed.ts'
import { type Host, startHost } from '../peers/host.ts'
import { Linphone } from '../peers/linphone.ts'
import { startPhone } from '../peers/phone.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'

const run = promisify(execFile)
/** Two reports of each end, at their most rare. */
const withinMs = 40_000

async function callOf(by: 'floe' | 'peer', linphone: Linphone, phone: Phone): Promise<Call> {
  const incoming = by === 'peer' ? phone.nextCall({ timeoutMs: 20_000 }) : undefined
  if (incoming) await linphone.dial(`sip:floe@${peerHost}:${phone.addresses[0]!.port}`)
  const call = incoming ? await incoming : await phone.call(linphone.uriOver('udp'))
  if (incoming) await call.answer()
  await call.answered
  return call
}

const metrics = (by: 'floe' | 'peer'): Row<Host> => ({
  feature: 'RTCP XR',
  by,
  name: `VoIP metrics: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
  timeoutMs: 120_000,
  run: async (scene, host) => {
    const linphone = await Linphone.start(scene, host)
    const trace = join(scene.folder, 'call.pcapng')
    const phone = await startPhone(scene, { codecs: ['PCMU'], trace })
    const call = await callOf(by, linphone, phone)
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

/** RTCP on a port of its own has a handshake of its own (RFC 5764 3), and linphone has no rtcp-mux. */
const encrypted = (by: 'floe' | 'peer'): Row<Host> => ({
  feature: 'DTLS-SRTP, RTCP on its own port',
  by,
  name: `VoIP metrics, encrypted by DTLS: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
  timeoutMs: 120_000,
  run: async (scene, host) => {
    const linphone = await Linphone.start(scene, host, { encryption: 'dtls' })
    const phone = await startPhone(scene, { codecs: ['PCMU'], srtp: 'require', srtpKeying: 'dtls' })
    const call = await callOf(by, linphone, phone)
    await linphone.speaksWith(call, 'tone:620')
    const statistics = () => call.report().statistics
    await eventually(() => statistics()?.remote?.quality !== undefined, {
      what: 'linphone tells how floe sounds',
      withinMs,
    })
    const report = await call.hangUp()
    expect(report.srtp).toMatchObject({ by: 'dtls' })
    expect(report.codec?.rtcpMux).toBe(false)
  },
})

sideBySide({
  peer: 'linphone 5.1',
  heading: 'linphone, extended reports',
  needs: ['linphone', 'tshark', 'namespace'],
  start: async (scene) => startHost(scene),
  rows: [metrics('floe'), metrics('peer'), encrypted('floe'), encrypted('peer')],
})
