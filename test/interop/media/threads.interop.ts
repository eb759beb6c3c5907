// Media sockets in a thread, at Asterisk 22: DTLS-SRTP over ICE both ways, and media that goes on over another path. The thread is
// the built package's: none can be started from TypeScript.
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import type { PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { repository } from '../installed.ts'
import { Asterisk, type User } from '../peers/asterisk.ts'
import { expectEcho, startPhone } from '../peers/phone.ts'
import { sideBySide } from '../side-by-side.ts'

const peer = 'Asterisk 22'
const options = ['webrtc=yes', 'dtls_auto_generate_cert=yes']
const users: Record<User, readonly string[]> = { '1100': options, '1101': options }

async function start(scene: Scene, asterisk: Asterisk, number: User, others: PhoneOptions = {}) {
  const built = pathToFileURL(`${repository}/dist/runtime/node.js`).href
  const { runtimeWithMediaThreads } = (await import(built)) as typeof import('../../../src/runtime/node.ts')
  const runtime = await runtimeWithMediaThreads(1)
  expect(runtime.network.departureLeadMs).toBeGreaterThan(0)
  const account = { account: `sip:${number}@${asterisk.address}`, password: `pw${number}` }
  const encrypted = { ice: 'require', srtp: 'require' } as const
  return await startPhone(scene, { ...account, ...encrypted, codecs: ['PCMU'], runtime, ...others }, number)
}

sideBySide<Asterisk>({
  peer,
  heading: 'Asterisk 22, media threads',
  needs: ['asterisk'],
  start: (scene) => Asterisk.start(scene, { users }),
  rows: [
    {
      by: 'floe',
      name: 'DTLS and ICE: floe calls, and restarts ICE',
      run: async (scene, asterisk) => {
        const alice = await start(scene, asterisk, '1100', { register: false })
        const call = await alice.call(asterisk.uri('echo'))
        await call.answered
        await expectEcho(call)
        await call.restartIce()
        await expectEcho(call)
        const report = await call.hangUp()
        expect(report.srtp?.by).toBe('dtls')
        expect(report.verdict).toMatchObject({ ok: true })
      },
    },
    {
      by: 'peer',
      name: 'DTLS and ICE: floe is called',
      run: async (scene, asterisk) => {
        const bob = await start(scene, asterisk, '1101')
        const ringing = bob.nextCall({ timeoutMs: 20_000 })
        await asterisk.originate('1101', 'echo')
        const call = await ringing
        await call.answer()
        await expectEcho(call)
        expect((await call.hangUp()).srtp?.by).toBe('dtls')
      },
    },
  ],
})
