// floe with Kamailio as registrar and as a proxy that asks for digest and stays in the path by Record-Route (RFC 3261 16).
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from './case.ts'
import { exit, Floe, floe, words } from './peers/floe.ts'
import { Kamailio } from './peers/kamailio.ts'
import { expectHeard, hello, reply } from './sounds.ts'

const rows: InteropCase[] = []
function row(name: string, run: (scene: Scene, kamailio: Kamailio) => Promise<void>): void {
  rows.push({
    peer: 'Kamailio',
    name,
    needs: ['kamailio'],
    run: async (scene) => run(scene, await Kamailio.start(scene)),
  })
}

const dial = (kamailio: Kamailio, user = '2002') =>
  words`call ${kamailio.uri(user)} --as ${kamailio.account('2001')}`

async function answering(scene: Scene, kamailio: Kamailio, args: string[]): Promise<Floe> {
  const bob = Floe.start(scene, 'bob', words`answer --as ${kamailio.account('2002')} ${args}`)
  await bob.listening()
  expect(await kamailio.hasContact('2002')).toBe(true)
  return bob
}

for (const transport of ['udp', 'tcp']) {
  row(`registers over ${transport.toUpperCase()} with digest, and un-registers`, async (scene, kamailio) => {
    const args = words`register --as ${kamailio.account('2001')} --transport ${transport}`
    const phone = Floe.start(scene, 'register', args)
    await phone.line(
      (line) => line.type === 'registration' && line['state'] === 'registered',
      'it is registered',
    )
    expect(await kamailio.hasContact('2001')).toBe(true)
    expect(kamailio.logText()).toMatch(new RegExp(`request REGISTER \\S+ from 2001 ${transport}:`))
    phone.interrupt()
    expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
    expect(await kamailio.hasContact('2001')).toBe(false)
  })
}

row('says that a password is wrong, exit 11', async (scene, kamailio) => {
  const ended = await floe(scene, 'register', words`register --as 2001:wrong@${kamailio.address} --once`)
  expect(ended.code).toBe(exit.authentication)
})

for (const [callers, callees] of [
  ['udp', 'udp'],
  ['tcp', 'tcp'],
  ['tcp', 'udp'],
] as const) {
  const name = `one phone calls another through the proxy, ${callers} to ${callees}, and both hear the other`
  row(name, async (scene, kamailio) => {
    const bobFile = `${scene.folder}/bob.wav`
    const aliceFile = `${scene.folder}/alice.wav`
    const bobs = words`--transport ${callees} --play ${reply} --hear ${hello} --record ${bobFile}`
    const bob = await answering(scene, kamailio, bobs)
    const alices = words`--transport ${callers} --play ${hello} --hear ${reply} --record ${aliceFile} --ice require`
    const alice = await floe(scene, 'alice', words`${dial(kamailio)} ${alices}`)
    expect(alice.code).toBe(exit.ok)
    expect((await bob.ended()).code).toBe(exit.ok)
    expectHeard(aliceFile, reply)
    expectHeard(bobFile, hello)
    // The dialog follows the recorded route: both ACK and BYE come by the proxy, addressed to it in a Route header.
    expect(kamailio.logText()).toMatch(/request ACK \S+ from 2001 .*route=<sip:.*;lr/)
    expect(kamailio.logText()).toMatch(/request BYE \S+ from 200[12] .*route=<sip:.*;lr/)
  })
}

row('says 404: nobody is registered there, exit 12', async (scene, kamailio) => {
  const { code, report } = await floe(scene, 'alice', dial(kamailio, '2009'))
  expect(code).toBe(exit.rejected)
  expect(report?.outcome.status).toBe(404)
})

row('hears that the other is busy through the proxy, exit 12', async (scene, kamailio) => {
  await answering(scene, kamailio, words`--reject 486`)
  const { code, report } = await floe(scene, 'alice', dial(kamailio))
  expect(code).toBe(exit.rejected)
  expect(report?.outcome.status).toBe(486)
})

row('Ctrl-C while it rings: the CANCEL reaches the other phone', async (scene, kamailio) => {
  const bob = await answering(scene, kamailio, words`--after 30s`)
  const alice = Floe.start(scene, 'alice', dial(kamailio))
  await alice.callState('ringing')
  alice.interrupt()
  expect((await alice.ended(5_000)).code).toBe(exit.interrupted)
  const { report } = await bob.ended(5_000)
  expect(report?.outcome).toMatchObject({ state: 'ended', by: 'remote' })
})

interop(rows)
