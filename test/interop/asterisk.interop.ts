// floe against Asterisk 22: registration, media both ways, DTMF, refusals, and ends of every kind.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from './case.ts'
import { Asterisk, endpoints, type User } from './peers/asterisk.ts'
import { type Ended, exit, Floe, floe, words } from './peers/floe.ts'
import { eventually } from './peers/process.ts'
import { durationMs, expectHeard, expectNotHeard, hello, reply } from './sounds.ts'

const rows: InteropCase[] = []
function row(
  name: string,
  run: (scene: Scene, asterisk: Asterisk) => Promise<void>,
  timeoutMs?: number,
): void {
  rows.push({
    peer: 'Asterisk 22',
    name,
    needs: ['asterisk'],
    ...(timeoutMs !== undefined && { timeoutMs }),
    run: async (scene) => run(scene, await Asterisk.start(scene, { prompt: reply })),
  })
}

/** The words that dial an extension as a user. */
const dial = (asterisk: Asterisk, extension: string, user: User = '1001') =>
  words`call ${asterisk.uri(extension)} --as ${asterisk.account(user)}`
const heardFile = (scene: Scene, name = 'heard') => `${scene.folder}/${name}.wav`

/** Answers as a user of Asterisk, registered before this returns. */
async function answering(scene: Scene, asterisk: Asterisk, user: User, args: string[]): Promise<Floe> {
  const phone = Floe.start(scene, `answer-${user}`, words`answer --as ${asterisk.account(user)} ${args}`)
  await phone.listening()
  expect(await asterisk.hasContact(user)).toBe(true)
  return phone
}

const noChannelLeft = (asterisk: Asterisk) =>
  eventually(async () => (await asterisk.channels()) === 0, { what: 'Asterisk has no channel left' })

// ---- registration ------------------------------------------------------------------------------------------------------

for (const transport of ['udp', 'tcp']) {
  row(`registers over ${transport.toUpperCase()} with digest, and un-registers`, async (scene, asterisk) => {
    const args = words`register --as ${asterisk.account('1001')} --transport ${transport} --once`
    expect((await floe(scene, 'register', args)).code).toBe(exit.ok)
    const log = asterisk.logText()
    expect(log).toContain(`Via: SIP/2.0/${transport.toUpperCase()}`)
    expect(log).toMatch(/401 Unauthorized[\s\S]*Added contact 'sip:1001@[\s\S]*Removed contact 'sip:1001@/)
    expect(await asterisk.hasContact('1001')).toBe(false)
  })
}

row('takes the password from FLOE_PASSWORD and never prints it', async (scene, asterisk) => {
  const args = words`register --as 1001@${asterisk.address} --once -v`
  const ended = await floe(scene, 'register', args, { FLOE_PASSWORD: 'pw1001' })
  expect(ended.code).toBe(exit.ok)
  expect(JSON.stringify(ended)).not.toContain('pw1001')
})

row('says that a password is wrong, exit 11', async (scene, asterisk) => {
  const args = words`register --as ${asterisk.account('1001', 'wrong')} --once`
  const ended = await floe(scene, 'register', args)
  expect(ended.code).toBe(exit.authentication)
  expect(ended.stderr).toMatch(/\b40[13]\b|password/)
  expect(await asterisk.hasContact('1001')).toBe(false)
})

// ---- media ---------------------------------------------------------------------------------------------------------------

function echoes(
  name: string,
  user: User,
  args: string[],
  check: (report: NonNullable<Ended['report']>, asterisk: Asterisk) => void,
): void {
  row(name, async (scene, asterisk) => {
    const call = words`${dial(asterisk, 'echo', user)} --play ${hello} --hear ${hello} --record ${heardFile(scene)} ${args}`
    const { code, report } = await floe(scene, 'call', call)
    expect(code).toBe(exit.ok)
    expect(report?.verdict.ok).toBe(true)
    expectHeard(heardFile(scene), hello)
    if (report) check(report, asterisk)
  })
}

echoes(
  'calls Echo with ICE and hears its own file back',
  '1001',
  words`--ice require`,
  (report, asterisk) => {
    expect(report.selected).toHaveLength(2) // RTP and RTCP: this endpoint has no rtcp-mux
    expect(asterisk.logText()).toMatch(/Strict RTP learning after ICE completion/)
  },
)
echoes('calls Echo over TCP', '1001', words`--transport tcp --ice require`, (_, asterisk) => {
  expect(asterisk.logText()).toMatch(/\nINVITE sip:echo@\S+ SIP\/2.0\r?\nVia: SIP\/2.0\/TCP/)
})
echoes('calls Echo with rtcp-mux', '1004', words`--ice require`, (report) => {
  expect(report.codec?.rtcpMux).toBe(true)
  expect(report.selected).toHaveLength(1)
})
echoes('calls Echo without ICE and still hears it', '1000', words`--ice auto`, (report) => {
  expect(report.ice.mode).toBe('peer-without-ice')
})
echoes('calls Echo with a late offer', '1001', words`--late-offer`, (report) => {
  expect(report.ice.role).toBe('controlled') // whose offer it is controls (RFC 8445 6.1.1)
})

row('says that ICE was required and the peer has none, exit 20', async (scene, asterisk) => {
  const { code, report } = await floe(
    scene,
    'call',
    words`${dial(asterisk, 'echo', '1000')} --play ${hello} --ice require`,
  )
  expect(code).toBe(exit.ice)
  expect(report?.verdict.ok).toBe(false)
  await noChannelLeft(asterisk)
})

row('recognises a played prompt', async (scene, asterisk) => {
  const call = words`${dial(asterisk, 'prompt')} --hear ${reply} --record ${heardFile(scene)}`
  expect((await floe(scene, 'call', call)).code).toBe(exit.ok)
  expectHeard(heardFile(scene), reply)
})

row('does not take the prompt for another recording, exit 1', async (scene, asterisk) => {
  const call = words`${dial(asterisk, 'prompt')} --hear ${hello} --record ${heardFile(scene)}`
  expect((await floe(scene, 'call', call)).code).toBe(exit.assertion)
  expectHeard(heardFile(scene), reply)
  expectNotHeard(heardFile(scene), hello)
})

row('is recorded by Asterisk as it spoke, and hears the 1004 Hz of Milliwatt', async (scene, asterisk) => {
  const call = words`${dial(asterisk, 'record')} --play ${hello} --hear tone:1004`
  expect((await floe(scene, 'call', call)).code).toBe(exit.ok)
  await noChannelLeft(asterisk)
  expectHeard(asterisk.recording, hello)
})

for (const user of ['1001', '1004', '1000'] as const) {
  row(`is called by Asterisk (${endpoints[user].what}) and both hear the other`, async (scene, asterisk) => {
    const args = words`--play ${hello} --hear ${reply} --record ${heardFile(scene)}`
    const phone = await answering(scene, asterisk, user, args)
    await asterisk.originate(user, 'play-and-record')
    const { code, report } = await phone.ended()
    expect(code).toBe(exit.ok)
    expect(report?.verdict.ok).toBe(true)
    expectHeard(heardFile(scene), reply)
    await noChannelLeft(asterisk)
    expectHeard(asterisk.recording, hello)
    expectNotHeard(asterisk.recording, reply)
  })
}

row('calls another floe through Asterisk, and both hear the other', async (scene, asterisk) => {
  const bobs = words`--play ${reply} --hear ${hello} --record ${heardFile(scene, 'bob')}`
  const bob = await answering(scene, asterisk, '1002', bobs)
  const alices = words`--play ${hello} --hear ${reply} --record ${heardFile(scene, 'alice')} --ice require`
  const alice = await floe(scene, 'alice', words`${dial(asterisk, '1002')} ${alices}`)
  expect(alice.code).toBe(exit.ok)
  expect((await bob.ended()).code).toBe(exit.ok)
  expectHeard(heardFile(scene, 'alice'), reply)
  expectHeard(heardFile(scene, 'bob'), hello)
})

// ---- DTMF ----------------------------------------------------------------------------------------------------------------

row('sends DTMF that Asterisk reads', async (scene, asterisk) => {
  const { code, report } = await floe(
    scene,
    'call',
    words`${dial(asterisk, 'read-dtmf')} --dtmf 1234 --hear ${reply}`,
  )
  expect(code).toBe(exit.ok)
  expect(report?.dtmf.sent).toBe('1234')
  await asterisk.logged(/read digits=1234\b/)
})

row('receives the DTMF that Asterisk sends', async (scene, asterisk) => {
  const call = words`${dial(asterisk, 'send-dtmf')} --expect-dtmf 1234*# --hear ${reply}`
  const { code, report } = await floe(scene, 'call', call)
  expect(code).toBe(exit.ok)
  expect(report?.dtmf.received).toBe('1234*#')
})

row('receives the DTMF that Asterisk sends in INFO', async (scene, asterisk) => {
  const command = words`${dial(asterisk, 'send-dtmf', '1011')} --hear ${reply} --expect-dtmf 1234*#`
  const { code, report } = await floe(scene, 'call', command)
  expect(code).toBe(exit.ok)
  expect(report?.dtmf.received).toBe('1234*#')
  expect(asterisk.logText()).toMatch(/\nINFO sip:/)
})

// ---- refusals ------------------------------------------------------------------------------------------------------------

const refusals = [
  { extension: 'busy', what: 'a busy extension', status: 486 },
  { extension: 'nobody', what: 'an unknown extension', status: 404 },
  { extension: 'congestion', what: 'congestion', status: 503 },
]
for (const { extension, what, status } of refusals) {
  row(`says ${status}: ${what}, exit 12`, async (scene, asterisk) => {
    const { code, report } = await floe(scene, 'call', words`${dial(asterisk, extension)} --play ${hello}`)
    expect(code).toBe(exit.rejected)
    expect(report?.outcome.status).toBe(status)
    expect(JSON.stringify(report?.verdict)).toContain(String(status))
  })
}

row('gives up on what only rings, and cancels, exit 13', async (scene, asterisk) => {
  expect((await floe(scene, 'call', words`${dial(asterisk, 'ringing')} --ring-for 2s`)).code).toBe(
    exit.timeout,
  )
  await asterisk.logged(/\nCANCEL sip:ringing@[\s\S]*487 Request Terminated/)
  await noChannelLeft(asterisk)
})

// ---- ends ----------------------------------------------------------------------------------------------------------------

row('hears early media, then the answer', async (scene, asterisk) => {
  const heard = words`--hear tone:440 --hear ${hello} --record ${heardFile(scene)}`
  const { code } = await floe(scene, 'call', words`${dial(asterisk, 'early-media')} --play ${hello} ${heard}`)
  expect(code).toBe(exit.ok)
  expectHeard(heardFile(scene), hello)
})

row('ends well when Asterisk hangs up', async (scene, asterisk) => {
  const { code, report } = await floe(scene, 'call', dial(asterisk, 'prompt'))
  expect(code).toBe(exit.ok)
  expect(report?.outcome).toMatchObject({ state: 'ended', by: 'remote' })
})

const killed = async (scene: Scene, asterisk: Asterisk) => {
  const call = words`${dial(asterisk, 'echo')} --play ${hello} --loop --record ${heardFile(scene)}`
  const phone = Floe.start(scene, 'call', call)
  await phone.fact('audio', 'first-heard')
  await asterisk.kill()
  // Consent expires 30 s after the last answer (RFC 7675 5.1); the BYE may then go unanswered for 32 s (RFC 3261 17.1.2.2).
  const { code, report } = await phone.ended(70_000)
  expect(code).toBe(exit.ice)
  expect(report?.verdict).toMatchObject({ ok: false, cause: 'consent-lost' })
  expect(durationMs(heardFile(scene))).toBeGreaterThan(500)
}
row('ends with a verdict when Asterisk is killed in mid-call', killed, 90_000)

row('Ctrl-C while registered: un-registers, exit 130', async (scene, asterisk) => {
  const phone = Floe.start(scene, 'register', words`register --as ${asterisk.account('1001')}`)
  await eventually(() => asterisk.hasContact('1001'), { what: 'it has registered' })
  phone.interrupt()
  expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
  expect(await asterisk.hasContact('1001')).toBe(false)
})

row('Ctrl-C while it rings: CANCEL, exit 130', async (scene, asterisk) => {
  const phone = Floe.start(scene, 'call', dial(asterisk, 'ringing'))
  await phone.callState('ringing')
  phone.interrupt()
  expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
  await asterisk.logged(/\nCANCEL sip:ringing@/)
  await noChannelLeft(asterisk)
})

row('Ctrl-C in a call: BYE, a whole recording, exit 130', async (scene, asterisk) => {
  const call = words`${dial(asterisk, 'echo')} --play ${hello} --loop --record ${heardFile(scene)}`
  const phone = Floe.start(scene, 'call', call)
  await phone.fact('audio', 'first-heard')
  await sleep(durationMs(hello))
  phone.interrupt()
  expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
  await asterisk.logged(/\nBYE sip:/)
  expectHeard(heardFile(scene), hello)
})

interop(rows)
