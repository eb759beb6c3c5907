// A phone that is sent on by a server, in virtual time: who is called at last is heard, and the report tells the way.
import { expect, test } from 'vitest'
import { ScriptedPeer } from '../../unit/sip-ua/scripted-peer.ts'
import { expectAudioBothWays, threePhones, tones, uris } from './three-phones.ts'

test('a redirected call talks to the new target; who wants no redirection is told where it leads', () =>
  threePhones(async (phones) => {
    const { alice, bob, world } = phones
    const server = await ScriptedPeer.open(world, '192.0.2.9', { address: '203.0.113.1', port: 5060 })
    const redirect = async (to: string) => {
      const invite = await server.request('INVITE')
      server.reply(invite, 302, { reason: 'Moved Temporarily', headers: [`Contact: <${to}>`] })
      await server.request('ACK')
    }
    const incoming = bob.nextCall()
    const [call] = await Promise.all([
      alice.call('sip:office@192.0.2.9', { play: tones.alice }),
      redirect(uris.bob),
    ])
    const answered = await incoming
    await answered.answer({ play: tones.bob })
    await Promise.all([call.connected, answered.connected])
    await expectAudioBothWays(phones, [
      [call, tones.bob],
      [answered, tones.alice],
    ])
    const report = await call.hangUp()
    expect(report.redirects).toEqual([{ status: 302, target: uris.bob }])
    expect(report.verdict.ok).toBe(true)

    const [refused] = await Promise.all([
      alice.call('sip:office@192.0.2.9', { redirects: 0 }),
      redirect(uris.bob),
    ])
    await expect(refused.answered).rejects.toThrow(
      /302 Moved Temporarily; it points to sip:bob@203\.0\.113\.2$/,
    )
    server.close()
  }))
