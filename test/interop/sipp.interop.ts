// floe against SIPp's built-in scenarios, as the one called and as the caller, on a clean network and on one that loses
// packets: over UDP every message of RFC 3261 may have to be sent again, and audio has to be heard through the gaps.
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from './case.ts'
import { exit, Floe, floe, words } from './peers/floe.ts'
import { losePackets, packetsLost } from './peers/loss.ts'
import { freePort, peerHost } from './peers/process.ts'
import { sippAnswerer, sippCaller } from './peers/sipp.ts'
import { expectHeard, hello } from './sounds.ts'

const lossPercent = 5
const calls = 20

const rows: InteropCase[] = []
for (const lossy of [false, true]) {
  const row = (name: string, run: (scene: Scene) => Promise<void>) =>
    rows.push({
      peer: 'SIPp',
      name: lossy ? `${name}, with ${lossPercent} % loss` : name,
      needs: lossy ? ['sipp', 'namespace'] : ['sipp'],
      timeoutMs: 90_000,
      async run(scene) {
        if (lossy) losePackets(scene, lossPercent)
        await run(scene)
        if (lossy) expect(packetsLost()).toBeGreaterThan(0)
      },
    })

  row(`uac: ${calls} calls answered by floe echo`, async (scene) => {
    const address = `${peerHost}:${await freePort()}`
    const echo = Floe.start(scene, 'echo', words`echo --bind ${address}`)
    await echo.listening()
    const caller = await sippCaller(scene, address, { calls, rate: 10, pauseMs: 500 })
    expect(await caller.exitCode()).toBe(0)
    expect(echo.running).toBe(true)
    echo.interrupt()
    const { code, lines } = await echo.ended()
    expect(code).toBe(exit.interrupted)
    const reports = lines.filter(({ type }) => type === 'report')
    expect(reports).toHaveLength(calls)
  })

  row('uac: one call answered by floe, its audio sent back and heard', async (scene) => {
    const address = `${peerHost}:${await freePort()}`
    const heard = `${scene.folder}/heard.wav`
    const args = words`answer --bind ${address} --play ${hello} --hear ${hello} --record ${heard}`
    const phone = Floe.start(scene, 'answer', args)
    await phone.listening()
    await sippCaller(scene, address, { calls: 1, pauseMs: 30_000 })
    const { code, report } = await phone.ended(40_000)
    expect(code).toBe(exit.ok)
    expect(report?.ice.mode).toBe('peer-without-ice')
    expectHeard(heard, hello)
  })

  const inThread = 'uac: one call answered by floe, its media in a thread, sent back and heard'
  if (!lossy)
    row(inThread, async (scene) => {
      const address = `${peerHost}:${await freePort()}`
      const args = words`answer --bind ${address} --threads 1 --play ${hello} --hear ${hello}`
      const phone = Floe.start(scene, 'answer', args)
      await phone.listening()
      await sippCaller(scene, address, { calls: 1, pauseMs: 30_000 })
      const { code } = await phone.ended(40_000)
      expect(code).toBe(exit.ok)
    })

  row('uas: floe calls, and hears its audio sent back', async (scene) => {
    const { address } = await sippAnswerer(scene)
    const heard = `${scene.folder}/heard.wav`
    const args = words`call sip:service@${address} --play ${hello} --hear ${hello} --record ${heard}`
    const { code, report } = await floe(scene, 'call', args)
    expect(code).toBe(exit.ok)
    expect(report?.ice.mode).toBe('peer-without-ice')
    expectHeard(heard, hello)
  })
}

interop(rows)
