// floe against Asterisk 22: registration, media both ways, DTMF, refusals, and ends of every kind.
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from './case.ts'
import { Asterisk, endpoints, type User } from './peers/asterisk.ts'
import { exit, Floe, floe } from './peers/floe.ts'
import { eventually } from './peers/process.ts'
import { durationMs, expectHeard, expectNotHeard, hello, reply } from './sounds.ts'

const peer = 'Asterisk 22'
const needs = ['asterisk'] as const

const rows: InteropCase[] = []
function row(
  name: string,
  run: (scene: Scene, asterisk: Asterisk) => Promise<void>,
  timeoutMs?: number,
): void {
  rows.push({
    peer,
    name,
    needs,
    ...(timeoutMs !== undefined && { timeoutMs }),
    run: async (scene) => run(scene, await Asterisk.start(scene, { prompt: reply })),
  })
}

const as = (asterisk: Asterisk, user: User) => ['--as', asterisk.account(user)]
const recording = (scene: Scene, name = 'heard.wav') => `${scene.folder}/${name}`

/** Answers as a user of Asterisk, registered before this returns. */
async function answering(scene: Scene, asterisk: Asterisk, user: User, ...args: string[]): Promise<Floe> {
  const phone = Floe.start(scene, `answer-${user}`, ['answer', ...as(asterisk, user), ...args])
  await phone.listening()
  expect(await asterisk.hasContact(user)).toBe(true)
  return phone
}

// ---- registration ------------------------------------------------------------------------------------------------------

for (const transport of ['udp', 'tcp']) {
  row(`registers over ${transport.toUpperCase()} with digest, and un-registers`, async (scene, asterisk) => {
    const { code } = await floe(scene, 'register', [
      ...['register', ...as(asterisk, '1001'), '--transport', transport, '--once'],
    ])
    expect(code).toBe(exit.ok)
    const log = asterisk.logText()
    expect(log).toMatch(
      new RegExp(
        `Via: SIP/2.0/${transport.toUpperCase()}[\\s\\S]*401 Unauthorized[\\s\\S]*Added contact 'sip:1001@`,
      ),
    )
    expect(log).toMatch(/Removed contact 'sip:1001@/)
    expect(await asterisk.hasContact('1001')).toBe(false)
  })
}

row('takes the password from FLOE_PASSWORD and never prints it', async (scene, asterisk) => {
  const ended = await floe(
    scene,
    'register',
    ['register', '--as', `1001@${asterisk.address}`, '--once', '-v'],
    {
      FLOE_PASSWORD: 'pw1001',
    },
  )
  expect(ended.code).toBe(exit.ok)
  expect(JSON.stringify(ended)).not.toContain('pw1001')
})

row('says that a password is wrong, exit 11', async (scene, asterisk) => {
  const ended = await floe(scene, 'register', [
    'register',
    '--as',
    asterisk.account('1001', 'wrong'),
    '--once',
  ])
  expect(ended.code).toBe(exit.authentication)
  expect(ended.stderr).toMatch(/\b40[13]\b|password/)
  expect(await asterisk.hasContact('1001')).toBe(false)
})

// ---- media ---------------------------------------------------------------------------------------------------------------

function echoes(
  name: string,
  user: User,
  args: string[],
  check: (ended: Awaited<ReturnType<typeof floe>>, asterisk: Asterisk) => void,
): void {
  row(name, async (scene, asterisk) => {
    const ended = await floe(scene, 'call', [
      ...['call', asterisk.uri('echo'), ...as(asterisk, user), '--play', hello, '--hear', hello],
      ...['--record', recording(scene), ...args],
    ])
    expect(ended.code).toBe(exit.ok)
    expect(ended.report?.verdict.ok).toBe(true)
    expectHeard(recording(scene), hello)
    check(ended, asterisk)
  })
}

echoes('calls Echo with ICE and hears its own file back', '1001', ['--ice', 'require'], (ended, asterisk) => {
  expect(ended.report?.selected).toHaveLength(2) // RTP and RTCP: this endpoint has no rtcp-mux
  expect(asterisk.logText()).toMatch(/Strict RTP learning after ICE completion/)
})
echoes('calls Echo over TCP', '1001', ['--transport', 'tcp', '--ice', 'require'], (_, asterisk) => {
  expect(asterisk.logText()).toMatch(/INVITE sip:echo@\S+[\s\S]*?Via: SIP\/2.0\/TCP/)
})
echoes('calls Echo with rtcp-mux', '1004', ['--ice', 'require'], (ended) => {
  expect(ended.report?.selected).toHaveLength(1)
})
echoes('calls Echo without ICE and still hears it', '1000', ['--ice', 'auto'], (ended) => {
  expect(ended.report?.selected).toHaveLength(0)
})
echoes('calls Echo with a late offer', '1001', ['--late-offer'], () => {})

row('says that ICE was required and the peer has none, exit 20', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    ...['call', asterisk.uri('echo'), ...as(asterisk, '1000'), '--play', hello, '--ice', 'require'],
  ])
  expect(ended.code).toBe(exit.ice)
  expect(ended.report?.verdict.ok).toBe(false)
  await eventually(async () => (await asterisk.channels()) === 0, { what: 'Asterisk has no channel left' })
})

row('recognises a played prompt', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    ...[
      'call',
      asterisk.uri('prompt'),
      ...as(asterisk, '1001'),
      '--hear',
      reply,
      '--record',
      recording(scene),
    ],
  ])
  expect(ended.code).toBe(exit.ok)
  expectHeard(recording(scene), reply)
})

row('does not take the prompt for another recording, exit 1', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    ...[
      'call',
      asterisk.uri('prompt'),
      ...as(asterisk, '1001'),
      '--hear',
      hello,
      '--record',
      recording(scene),
      '--for',
      '8s',
    ],
  ])
  expect(ended.code).toBe(exit.assertion)
  expectNotHeard(recording(scene), hello)
})

row('hears the 1004 Hz of Milliwatt', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    ...['call', asterisk.uri('milliwatt'), ...as(asterisk, '1001'), '--hear', 'tone:1004', '--for', '4s'],
  ])
  expect(ended.code).toBe(exit.ok)
})

row('is recorded by Asterisk as it spoke', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    'call',
    asterisk.uri('record'),
    ...as(asterisk, '1001'),
    '--play',
    hello,
  ])
  expect(ended.code).toBe(exit.ok)
  await eventually(async () => (await asterisk.channels()) === 0, { what: 'Asterisk has no channel left' })
  expectHeard(asterisk.recording, hello)
})

for (const user of ['1001', '1004', '1000'] as const) {
  row(`is called by Asterisk (${endpoints[user].what}) and both hear the other`, async (scene, asterisk) => {
    const phone = await answering(
      scene,
      asterisk,
      user,
      '--play',
      hello,
      '--hear',
      reply,
      '--record',
      recording(scene),
    )
    await asterisk.originate(user, 'play-and-record')
    const { code, report } = await phone.ended()
    expect(code).toBe(exit.ok)
    expect(report?.verdict.ok).toBe(true)
    expectHeard(recording(scene), reply)
    await eventually(async () => (await asterisk.channels()) === 0, { what: 'Asterisk has no channel left' })
    expectHeard(asterisk.recording, hello)
    expectNotHeard(asterisk.recording, reply)
  })
}

row('calls another floe through Asterisk, and both hear the other', async (scene, asterisk) => {
  const bob = await answering(
    scene,
    asterisk,
    '1002',
    '--play',
    reply,
    '--hear',
    hello,
    '--record',
    recording(scene, 'bob.wav'),
  )
  const alice = await floe(scene, 'alice', [
    ...[
      'call',
      asterisk.uri('1002'),
      ...as(asterisk, '1001'),
      '--play',
      hello,
      '--hear',
      reply,
      '--ice',
      'require',
    ],
    ...['--record', recording(scene, 'alice.wav')],
  ])
  expect(alice.code).toBe(exit.ok)
  expect((await bob.ended()).code).toBe(exit.ok)
  expectHeard(recording(scene, 'alice.wav'), reply)
  expectHeard(recording(scene, 'bob.wav'), hello)
})

// ---- DTMF ----------------------------------------------------------------------------------------------------------------

row('sends DTMF that Asterisk reads', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    ...['call', asterisk.uri('read-dtmf'), ...as(asterisk, '1001'), '--dtmf', '1234', '--for', '4s'],
  ])
  await asterisk.logged(/read digits=1234/)
  expect(ended.code).toBe(exit.ok)
})

row('receives the DTMF that Asterisk sends', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    ...['call', asterisk.uri('send-dtmf'), ...as(asterisk, '1001'), '--expect-dtmf', '1234*#'],
  ])
  expect(ended.code).toBe(exit.ok)
})

row('keeps a call on which DTMF comes in INFO', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    'call',
    asterisk.uri('send-dtmf'),
    ...as(asterisk, '1011'),
    '--for',
    '3s',
  ])
  expect(ended.code).toBe(exit.ok)
  expect(asterisk.logText()).toMatch(/INFO sip:/)
})

// ---- refusals ------------------------------------------------------------------------------------------------------------

const refusals: [string, string, number][] = [
  ['busy', 'a busy extension, exit 12', 486],
  ['nobody', 'an unknown extension, exit 12', 404],
  ['congestion', 'congestion, exit 12', 503],
]
for (const [extension, what, status] of refusals) {
  row(`says ${status}: ${what}`, async (scene, asterisk) => {
    const ended = await floe(scene, 'call', [
      'call',
      asterisk.uri(extension),
      ...as(asterisk, '1001'),
      '--play',
      hello,
    ])
    expect(ended.code).toBe(exit.rejected)
    expect(JSON.stringify(ended.report?.verdict)).toContain(String(status))
  })
}

row('gives up on what only rings, and cancels, exit 13', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    'call',
    asterisk.uri('ringing'),
    ...as(asterisk, '1001'),
    '--ring-for',
    '2s',
  ])
  expect(ended.code).toBe(exit.timeout)
  await asterisk.logged(/<--- Received SIP request[^\n]*\nCANCEL sip:ringing@/)
  await asterisk.logged(/487 Request Terminated/)
})

// ---- ends ----------------------------------------------------------------------------------------------------------------

row('hears early media, then the answer', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', [
    ...[
      'call',
      asterisk.uri('early-media'),
      ...as(asterisk, '1001'),
      '--play',
      hello,
      '--hear',
      'tone:440',
      '--hear',
      hello,
    ],
    ...['--record', recording(scene)],
  ])
  expect(ended.code).toBe(exit.ok)
})

row('ends well when Asterisk hangs up', async (scene, asterisk) => {
  const ended = await floe(scene, 'call', ['call', asterisk.uri('prompt'), ...as(asterisk, '1001')])
  expect(ended.code).toBe(exit.ok)
  expect(ended.report?.outcome).toMatchObject({ state: 'ended', by: 'remote' })
})

row(
  'ends with a verdict when Asterisk is killed in mid-call',
  async (scene, asterisk) => {
    const phone = Floe.start(scene, 'call', [
      ...[
        'call',
        asterisk.uri('echo'),
        ...as(asterisk, '1001'),
        '--play',
        hello,
        '--loop',
        '--record',
        recording(scene),
      ],
    ])
    await phone.fact('audio', 'first-heard')
    await asterisk.kill()
    // Consent expires after 30 s (RFC 7675 5.1), then the BYE is tried in vain for 32 s (RFC 3261 17.1.2.2).
    const ended = await phone.ended(70_000)
    expect(ended.code).toBe(exit.audio)
    expect(ended.report?.verdict.ok).toBe(false)
    expect(durationMs(recording(scene))).toBeGreaterThan(500)
  },
  90_000,
)

row('Ctrl-C while registered: un-registers, exit 130', async (scene, asterisk) => {
  const phone = Floe.start(scene, 'register', ['register', ...as(asterisk, '1001')])
  await eventually(() => asterisk.hasContact('1001'), { what: 'it has registered' })
  phone.interrupt()
  expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
  expect(await asterisk.hasContact('1001')).toBe(false)
})

row('Ctrl-C while it rings: CANCEL, exit 130', async (scene, asterisk) => {
  const phone = Floe.start(scene, 'call', ['call', asterisk.uri('ringing'), ...as(asterisk, '1001')])
  await phone.callState('ringing')
  phone.interrupt()
  expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
  await asterisk.logged(/\nCANCEL sip:ringing@/)
  await eventually(async () => (await asterisk.channels()) === 0, { what: 'Asterisk has no channel left' })
})

row('Ctrl-C in a call: BYE, a whole recording, exit 130', async (scene, asterisk) => {
  const phone = Floe.start(scene, 'call', [
    ...[
      'call',
      asterisk.uri('echo'),
      ...as(asterisk, '1001'),
      '--play',
      hello,
      '--loop',
      '--record',
      recording(scene),
    ],
  ])
  await phone.fact('audio', 'first-heard')
  await new Promise((resolve) => setTimeout(resolve, durationMs(hello)))
  phone.interrupt()
  expect((await phone.ended(5_000)).code).toBe(exit.interrupted)
  await asterisk.logged(/\nBYE sip:/)
  expectHeard(recording(scene), hello)
})

interop(rows)
