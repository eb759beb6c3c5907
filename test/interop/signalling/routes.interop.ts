// Where floe's requests go, told by SIPps on ladders: redirections, proxies that stay in the path, challenges, and servers that
// ask to be left alone.
import { expect } from 'vitest'
import { a, DnsServer, srv } from '../../e2e/dns/dns-server.ts'
import { expectEcho, startPhone } from '../peers/phone.ts'
import { peerHost } from '../peers/process.ts'
import { Sipp } from '../peers/sipp.ts'
import { answers, calling, listOfRows } from '../peers/sipp-calls.ts'
import { isHungUpOn, receive, reply, sdp } from '../peers/sipp-scenario.ts'
import { sideBySide } from '../side-by-side.ts'

const { rows, row } = listOfRows()

// ---- redirection -------------------------------------------------------------------------------------------------------------

row('redirection', 'peer', 'SIPp redirects with 302: floe calls where it points to', async (scene) => {
  const target = await Sipp.called(scene, [...answers, ...isHungUpOn], { name: 'target' })
  const headers = { Contact: `<${target.uri('elsewhere')}>` }
  const { call, sipp } = await calling(scene, [receive('INVITE'), reply(302, { headers }), receive('ACK')])
  await expectEcho(call)
  await call.hangUp()
  await Promise.all([sipp.finished(), target.finished()])
})

row('redirection', 'floe', 'floe follows no redirection where it is told so', async (scene) => {
  const headers = { Contact: '<sip:elsewhere@192.0.2.1>' }
  const steps = [receive('INVITE'), reply(302, { headers }), receive('ACK')]
  const { call, sipp } = await calling(scene, steps, { redirects: 0 })
  await expect(call.answered).rejects.toMatchObject({ status: 302 })
  await sipp.finished()
})

// ---- authentication ----------------------------------------------------------------------------------------------------------

const challenges = {
  401: ['WWW-Authenticate', 'Authorization'],
  407: ['Proxy-Authenticate', 'Proxy-Authorization'],
}
for (const [status, [challenge = '', credentials = '']] of Object.entries(challenges))
  for (const algorithm of ['MD5', 'SHA-256'])
    row('digest', 'peer', `SIPp challenges an INVITE with ${status} and ${algorithm}`, async (scene) => {
      const { call, sipp } = await calling(
        scene,
        [
          receive('INVITE'),
          reply(Number(status), {
            headers: { [challenge]: `Digest realm="sipp", nonce="n0", algorithm=${algorithm}, qop="auth"` },
          }),
          receive('ACK'),
          receive('INVITE', { [credentials]: `algorithm=${algorithm}` }),
          reply(200, { body: sdp() }),
          receive('ACK'),
          ...isHungUpOn,
        ],
        { phone: { account: 'sip:alice@sipp', password: 'secret', register: false } },
      )
      await call.answered
      await call.hangUp()
      await sipp.finished()
    })

// ---- routes ------------------------------------------------------------------------------------------------------------------

row(
  'Record-Route',
  'peer',
  'two proxies record themselves: both are in every later request',
  async (scene) => {
    const route = { message: 'Route: <sip:first.*<sip:second' }
    const { call, sipp } = await calling(scene, [
      receive('INVITE'),
      reply(200, {
        headers: {
          'Record-Route':
            '<sip:second@[local_ip]:[local_port];lr>, <sip:first@[local_ip]:[local_port];lr;r2=on>',
        },
        body: sdp(),
      }),
      receive('ACK', route),
      receive('BYE', route),
      reply(200),
    ])
    await call.answered
    await call.hangUp()
    await sipp.finished()
  },
)

row(
  'strict route',
  'peer',
  'a proxy of RFC 2543 records itself: it stands in the Request-URI',
  async (scene) => {
    const route = { Route: 'sip:sipp@', message: '^[A-Z]+ sip:strict@' }
    const { call, sipp } = await calling(scene, [
      receive('INVITE'),
      reply(200, { headers: { 'Record-Route': '<sip:strict@[local_ip]:[local_port]>' }, body: sdp() }),
      receive('ACK', route),
      receive('BYE', route),
      reply(200),
    ])
    await call.answered
    await call.hangUp()
    await sipp.finished()
  },
)

// ---- servers that are too busy (RFC 3261 21.5.4, RFC 3263 4.3) -----------------------------------------------------------------

row(
  '503 and Retry-After',
  'peer',
  'the first server of a domain is too busy: the second takes this call and the next',
  async (scene) => {
    const headers = { 'Retry-After': '120' }
    const busy = await Sipp.called(scene, [receive('INVITE'), reply(503, { headers }), receive('ACK')], {
      name: 'busy',
    })
    const free = await Sipp.called(scene, [...answers, ...isHungUpOn], { name: 'free', calls: 2 })
    const dns = await DnsServer.open({
      '_sip._udp.busy.test': [busy, free].map(({ port }, i) => srv(i, 1, port, 'host.busy.test')),
      'host.busy.test': [a(peerHost)],
    })
    scene.onEnd(() => dns.close())
    const phone = await startPhone(scene, { dnsServers: [dns.address] })
    for (let n = 0; n < 2; n++) {
      const call = await phone.call('sip:service@busy.test;transport=udp')
      await expectEcho(call)
      await call.hangUp()
    }
    // A second INVITE would be none of its ladder.
    await Promise.all([busy.finished(), free.finished()])
  },
)

row('503 and Retry-After', 'peer', 'the only server is too busy: the caller is told', async (scene) => {
  const headers = { 'Retry-After': '120' }
  const { call, sipp } = await calling(scene, [receive('INVITE'), reply(503, { headers }), receive('ACK')])
  await expect(call.answered).rejects.toMatchObject({ status: 503 })
  await sipp.finished()
})

sideBySide({ peer: 'SIPp', heading: 'SIPp: routes', needs: ['sipp'], start: async () => undefined, rows })
