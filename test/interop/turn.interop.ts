// floe as a client of coturn's relay (RFC 8656): over UDP, TCP and TLS, time-limited credentials, redirections, nonces that end, and
// every way in which there is no relay to be had; and coturn's own client at floe's relay. The far end is another floe,
// and only the relay may be used, so that what is heard has come through it.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { nodeRuntime } from '../../src/runtime/node.ts'
import { serveTurn } from '../../src/sim/turn-server.ts'
import { type InteropCase, interop, type Scene } from './case.ts'
import { authorityFile } from './peers/certificate.ts'
import { Coturn, type CoturnOptions, relayUser, startUclientPeer, uclient } from './peers/coturn.ts'
import { type Ended, exit, Floe, floe, words } from './peers/floe.ts'
import { peerHost } from './peers/process.ts'
import { hello, reply } from './sounds.ts'

const rows: InteropCase[] = []
const row = (peer: string, name: string, run: (scene: Scene) => Promise<void>, timeoutMs = 60_000): void => {
  rows.push({ peer, name, needs: ['coturn', 'namespace'], run, timeoutMs })
}

const user = `${relayUser.username}:${relayUser.password}`

/** Answers and plays; an echo would hand on every delay of two processes as a gap. */
async function farEnd(scene: Scene): Promise<string> {
  const answering = Floe.start(scene, 'answer', words`answer --bind ${peerHost} --play ${reply} --loop`)
  const at = (await answering.listening()).find(({ protocol }) => protocol === 'udp')
  return `sip:far@${at?.address}:${at?.port}`
}

const call = (target: string, ...flags: string[]): string[] =>
  words`call ${target} --ice relay --play ${hello} --hear ${reply} ${flags}`

/** Both directions went through the relay of this server. */
function expectRelayed({ code, report }: Ended, host: string, mostLostPercent = 5): void {
  expect(report?.verdict).toMatchObject({ ok: true })
  expect(code).toBe(exit.ok)
  expect(report?.ice.localCandidates.map(({ kind }) => kind)).not.toContain('host')
  expect(report?.selected[0]?.local).toMatchObject({ type: 'relay', address: { address: host } })
  // What the far end says of our media in its RTCP.
  expect(report?.statistics?.remote?.lossPercent).toBeLessThan(mostLostPercent)
}

function expectNoSecret({ report, lines, stderr }: Ended): void {
  expect(JSON.stringify([report, lines, stderr])).not.toContain(relayUser.password)
}

// ── a relay ──────────────────────────────────────────────────────────────────────────────────────

const relay = 'coturn (TURN)'

for (const [name, uri, clientFlags] of [
  ['UDP', (c: Coturn) => `turn:${user}@${c.address}`, []],
  ['TCP', (c: Coturn) => `turn:${user}@${c.address}?transport=tcp`, ['-t']],
  ['TLS', (c: Coturn) => `turns:${user}@${c.host}:${c.tlsPort}`, ['-t', '-S']],
] as const)
  row(relay, `a call over ${name}, as coturn's own client makes it`, async (scene) => {
    const coturn = await Coturn.start(scene, { tls: true })
    const peer = await startUclientPeer(scene, peerHost)
    const server = { host: coturn.host, port: name === 'TLS' ? coturn.tlsPort : coturn.port }
    const theirs = () =>
      uclient(server, [...clientFlags, ...['-u', relayUser.username, '-w', relayUser.password], ...peer])
    // Its own runs over TLS now and then end before all has come back.
    await expect.poll(async () => (await theirs()).text, { timeout: 40_000 }).toMatch(/tot_recv_msgs=[12]0\b/)
    const flags = ['--turn', uri(coturn), '--tls-ca', authorityFile(scene)]
    const ended = await floe(scene, 'call', call(await farEnd(scene), ...flags))
    expectRelayed(ended, coturn.host)
    // Media goes on channels, and the relay is given back.
    expect(coturn.logText()).toMatch(/CHANNEL_BIND processed, success/)
    expect(coturn.logText()).toMatch(/deleted|closed/)
  })

row(relay, 'a certificate that no authority of ours has signed is refused', async (scene) => {
  const coturn = await Coturn.start(scene, { tls: true })
  const turn = `turns:${user}@${coturn.host}:${coturn.tlsPort}`
  const ended = await floe(scene, 'call', call(await farEnd(scene), '--turn', turn))
  expect(ended.code).toBe(exit.ice)
  expect(ended.stderr).toMatch(/certificate.*--tls-ca|certificate/)
  expectNoSecret(ended)
})

row(relay, 'time-limited credentials from a shared secret', async (scene) => {
  const coturn = await Coturn.start(scene, { secret: 'shared' })
  const flags = ['--turn', `turn:alice@${coturn.address}`]
  const ended = await floe(scene, 'call', call(await farEnd(scene), ...flags), { FLOE_TURN_SECRET: 'shared' })
  expectRelayed(ended, coturn.host)
  expect(coturn.logText()).toMatch(/user <\d{10}:alice>/)
})

for (const transport of ['udp', 'tcp'] as const)
  row(relay, `a redirection to another server over ${transport.toUpperCase()} (300)`, async (scene) => {
    const other = await Coturn.start(scene, { name: 'other' })
    const first = await Coturn.start(scene, { args: [`--alternate-server=${other.address}`] })
    const flags = ['--turn', `turn:${user}@${first.address}?transport=${transport}`]
    const ended = await floe(scene, 'call', call(await farEnd(scene), ...flags))
    expectRelayed(ended, other.host)
    expect(first.logText()).toMatch(/error 300/)
    expect(other.logText()).toMatch(/ALLOCATE processed, success/)
  })

row(relay, 'a nonce that ends in mid-call (438), and a short allocation that is refreshed', async (scene) => {
  const args = ['--stale-nonce=4', '--max-allocate-lifetime=24']
  const coturn = await Coturn.start(scene, { args })
  const flags = ['--loop', '--for', '26s', '--turn', `turn:${user}@${coturn.address}`]
  const ended = await floe(scene, 'call', call(await farEnd(scene), ...flags))
  expectRelayed(ended, coturn.host)
  expect(coturn.logText()).toMatch(/error 438/)
  expect(coturn.logText()).toMatch(/REFRESH processed, success/)
  expect(ended.report?.ice.restarts).toEqual([])
})

// ── no relay ─────────────────────────────────────────────────────────────────────────────────────

const refusal = (
  name: string,
  options: CoturnOptions,
  turn: (coturn: Coturn) => string,
  expected: { said: RegExp; client: RegExp; flags: (coturn: Coturn) => string[] },
): void =>
  row(
    relay,
    `${name}: told as it is, as coturn's own client sees it`,
    async (scene) => {
      const coturn = await Coturn.start(scene, options)
      const peer = await startUclientPeer(scene, peerHost)
      const theirs = await uclient(coturn, ['-s', ...expected.flags(coturn), ...peer])
      expect(theirs.text).toMatch(expected.client)
      const calling = Floe.start(scene, 'call', call(await farEnd(scene), '--turn', turn(coturn)))
      // Where every pair has failed, ICE still waits 39.5 s for the peer's checks (RFC 8863).
      const ended = await calling.ended(60_000)
      expect(ended.code).toBe(exit.ice)
      expect(`${ended.stderr} ${JSON.stringify(ended.report?.verdict)}`).toMatch(expected.said)
      expectNoSecret(ended)
    },
    90_000,
  )

refusal('a wrong password (401)', {}, (c) => `turn:user:wrong@${c.address}`, {
  said: /refused the credentials: check user and password/,
  client: /error 401|Cannot complete Allocation/,
  flags: () => ['-u', 'user', '-w', 'wrong'],
})
refusal(
  'credentials that are over (401)',
  { secret: 'shared' },
  (c) => `turn:1000000000%3Aalice:x@${c.address}`,
  {
    said: /refused the credentials: their time may be over/,
    client: /error 401|Cannot complete Allocation/,
    flags: () => ['-u', '1000000000:alice', '-w', 'x'],
  },
)
refusal(
  'a peer that may not be reached (403)',
  { args: [`--denied-peer-ip=${peerHost}-10.99.0.2`] },
  (c) => `turn:${user}@${c.address}`,
  {
    said: /relay-denied.*forbids to relay to \S+ \(403\)/,
    client: /error 403/,
    flags: () => ['-u', relayUser.username, '-w', relayUser.password],
  },
)

row(relay, 'no more relays for this user (486): one call has it, the next is told why', async (scene) => {
  const coturn = await Coturn.start(scene, { args: ['--user-quota=1'] })
  const target = await farEnd(scene)
  const turn = ['--turn', `turn:${user}@${coturn.address}`]
  const first = Floe.start(scene, 'first', call(target, '--loop', '--for', '8s', ...turn))
  await first.fact('ice', 'selected')
  const second = await floe(scene, 'second', call(target, ...turn))
  expect(second.code).toBe(exit.ice)
  expect(second.stderr).toMatch(/permits this user no more relays \(486\): raise its quota/)
  expectNoSecret(second)
  // The relay for RTCP was refused as well: the call did with one.
  expectRelayed(await first.ended(), coturn.host)
})

row(relay, 'killed in mid-call: the other relay carries on', async (scene) => {
  const coturns = [await Coturn.start(scene), await Coturn.start(scene, { name: 'other' })]
  const turn = coturns.flatMap(({ address }) => ['--turn', `turn:${user}@${address}`])
  const calling = Floe.start(scene, 'call', call(await farEnd(scene), '--loop', '--for', '20s', ...turn))
  await calling.fact('ice', 'selected')
  await sleep(2_000)
  const used = /28\d{3}/
  const line = calling.lines.findLast(({ layer, type }) => layer === 'ice' && type === 'selected')
  expect(JSON.stringify(line)).toMatch(used)
  await coturns[0]!.kill()
  const ended = await calling.ended()
  // Of 20 s what was sent to the dead one, until it was noticed.
  expectRelayed(ended, coturns[1]!.host, 30)
})

row(
  relay,
  'killed in mid-call, and no other: the call ends and says why',
  async (scene) => {
    const coturn = await Coturn.start(scene)
    const flags = ['--loop', '--for', '90s', '--turn', `turn:${user}@${coturn.address}?transport=tcp`]
    const calling = Floe.start(scene, 'call', call(await farEnd(scene), ...flags))
    await calling.fact('ice', 'selected')
    await coturn.kill()
    // It looks for another path for 45 s.
    const ended = await calling.ended(80_000)
    expect(ended.code).not.toBe(exit.ok)
    expect(JSON.stringify(ended.report?.verdict)).toMatch(/TURN server/)
  },
  110_000,
)

// ── the other way round ──────────────────────────────────────────────────────────────────────────

const theirs = "floe's relay"

// Not with -Z: it asks for a second address family under a number (0x8032) that is not the registered one, gets one, and then
// refreshes either as chance has it.
for (const [name, protocol, flags] of [
  ['UDP, with a reserved port for RTCP', 'udp', ['-s']],
  ['UDP', 'udp', ['-c', '-s']],
  ['TCP', 'tcp', ['-t', '-c', '-s']],
] as const)
  row(theirs, `coturn's own client over ${name}`, async (scene) => {
    const { username, password } = relayUser
    const server = await serveTurn(nodeRuntime, {
      listen: [{ protocol, address: peerHost, port: 0 }],
      relayAddresses: [peerHost, '::1'],
      users: { [username]: password },
    })
    scene.onEnd(() => server.stop())
    const at = { host: peerHost, port: server.addresses[0]!.port }
    const { code, text } = await uclient(at, [
      ...flags,
      ...['-u', username, '-w', password],
      ...(await startUclientPeer(scene, peerHost)),
    ])
    expect(text).toMatch(/tot_recv_msgs=[12]0\b/)
    expect(text).toMatch(/Total lost packets 0/)
    expect(code).toBe(0)
  })

interop(rows)
