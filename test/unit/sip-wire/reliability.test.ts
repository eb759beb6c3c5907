// Every timer of RFC 3261 17 and RFC 6026, in virtual time: what is repeated when, what is absorbed, what is forgotten.
import { beforeEach, describe, expect, test } from 'vitest'
import { ClientReliability } from '../../../src/sip/client-reliability.ts'
import type { Flow } from '../../../src/sip/flow.ts'
import type { SipRequest, SipResponse } from '../../../src/sip/message.ts'
import { type Packet, rfc3261Timers, ringingLifetimeMs, serverKey } from '../../../src/sip/reliability.ts'
import { type RequestVerdict, ServerReliability } from '../../../src/sip/server-reliability.ts'
import { type Parts, request, response } from './messages.ts'

const flowOver = (protocol: 'udp' | 'tcp'): Flow => ({
  protocol,
  local: { address: '192.0.2.1', port: 5060 },
  remote: { address: '192.0.2.2', port: 5060 },
  sentBy: { address: '192.0.2.1', port: 5060 },
  open: true,
  send: () => undefined,
})
const udp = flowOver('udp')
const tcp = flowOver('tcp')
const packetOf = (text: string, flow = udp): Packet => ({ data: Buffer.from(text), flow })

interface Machine {
  handleTimeout(now: number): void
  nextTimeout(): number | undefined
  pollTransmit(): Packet | undefined
}

/** Runs a machine from deadline to deadline; returns what it sent, as "time: packet". */
function runUntil(machine: Machine, end: number): string[] {
  const sent: string[] = []
  for (let at = machine.nextTimeout(); at !== undefined && at <= end; at = machine.nextTimeout()) {
    machine.handleTimeout(at)
    sent.push(...drain(machine).map((text) => `${at}: ${text}`))
  }
  return sent
}
function drain(machine: Machine): string[] {
  const sent: string[] = []
  for (let packet = machine.pollTransmit(); packet; packet = machine.pollTransmit())
    sent.push(Buffer.from(packet.data).toString())
  return sent
}
const times = (sent: string[]): number[] => sent.map((line) => Number.parseInt(line, 10))

describe('client', () => {
  let client: ClientReliability
  beforeEach(() => {
    client = new ClientReliability(rfc3261Timers)
  })
  const send = (parts: Parts, flow = udp): SipRequest => {
    const message = request(parts)
    client.sent(0, message, packetOf(message.method, flow))
    return message
  }
  const acknowledge = (parts: Parts, text = 'ACK'): void =>
    client.acknowledged(request({ method: 'ACK', branch: 'z9hG4bKinvite', ...parts }), packetOf(text))
  const invitation: Parts = { method: 'INVITE', branch: 'z9hG4bKinvite' }

  test('timer A: INVITE at T1, doubling without bound, until timer B', () => {
    send(invitation)
    expect(times(runUntil(client, 100_000))).toEqual([500, 1500, 3500, 7500, 15_500, 31_500])
    expect(client.size).toBe(0)
  })

  test('an INVITE that was cancelled is forgotten 64*T1 later, however long it goes on ringing', () => {
    const invite = send(invitation)
    client.received(100, response(invite, 180))
    client.sent(200, request({ method: 'CANCEL', branch: 'z9hG4bKinvite' }), packetOf('CANCEL'))
    client.received(20_000, response(invite, 180))
    runUntil(client, 40_000)
    expect(client.size).toBe(0)
  })

  test('timer E: others at T1, doubling up to T2, until timer F', () => {
    send({ method: 'BYE' })
    expect(times(runUntil(client, 100_000))).toEqual([
      500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ])
    expect(client.size).toBe(0)
  })

  test('nothing is repeated over TCP', () => {
    send(invitation, tcp)
    send({ method: 'BYE', branch: 'z9hG4bKbye' }, tcp)
    expect(runUntil(client, 100_000)).toEqual([])
  })

  test('a provisional response stops timer A; late ones after the final are absorbed', () => {
    const invite = send(invitation)
    expect(runUntil(client, 600)).toEqual(['500: INVITE'])
    expect(client.received(700, response(invite, 180))).toBe('new')
    expect(runUntil(client, 60_000)).toEqual([])
    expect(client.received(60_000, response(invite, 180))).toBe('new')
    expect(client.received(60_100, response(invite, 200))).toBe('new')
    expect(client.received(60_200, response(invite, 180))).toBe('retransmission')
  })

  test('a provisional response slows timer E down to T2', () => {
    const message = send({ method: 'MESSAGE' })
    expect(client.received(100, response(message, 100))).toBe('new')
    expect(times(runUntil(client, 14_000))).toEqual([500, 4500, 8500, 12_500])
  })

  test('timer D: a repeated non-2xx is absorbed and its ACK repeated for 32 s', () => {
    const invite = send(invitation)
    expect(client.received(10, response(invite, 486))).toBe('new')
    acknowledge({ toTag: 'to' })
    expect(drain(client)).toEqual([])
    expect(client.received(500, response(invite, 486))).toBe('retransmission')
    expect(drain(client)).toEqual(['ACK'])
    expect(runUntil(client, 32_000)).toEqual([])
    expect(client.received(32_009, response(invite, 486))).toBe('retransmission')
    runUntil(client, 32_010)
    expect(client.size).toBe(0)
    expect(client.received(32_011, response(invite, 486))).toBe('unknown')
  })

  test('a 2xx that comes again is absorbed; its ACK is repeated, for each fork its own', () => {
    const invite = send(invitation)
    expect(client.received(10, response(invite, 200, 'one'))).toBe('new')
    expect(client.received(20, response(invite, 200, 'one'))).toBe('retransmission')
    expect(drain(client)).toEqual([])
    acknowledge({ branch: 'z9hG4bKack1', toTag: 'one' }, 'ACK one')
    expect(client.received(30, response(invite, 200, 'two'))).toBe('new')
    acknowledge({ branch: 'z9hG4bKack2', toTag: 'two' }, 'ACK two')
    expect(client.received(40, response(invite, 200, 'one'))).toBe('retransmission')
    expect(client.received(50, response(invite, 200, 'two'))).toBe('retransmission')
    expect(drain(client)).toEqual(['ACK one', 'ACK two'])
    runUntil(client, 40_000)
    expect(client.size).toBe(0)
  })

  test('timer K: a repeated final response is absorbed for T4', () => {
    const bye = send({ method: 'BYE' })
    expect(client.received(10, response(bye, 200))).toBe('new')
    expect(client.received(5_009, response(bye, 200))).toBe('retransmission')
    runUntil(client, 5_010)
    expect(client.received(5_011, response(bye, 200))).toBe('unknown')
  })

  test('responses are matched by branch and method (17.1.3)', () => {
    const invite = send(invitation)
    const cancel = send({ method: 'CANCEL', branch: 'z9hG4bKinvite' })
    expect(client.received(10, response(cancel, 200))).toBe('new')
    expect(client.received(11, response(invite, 487))).toBe('new')
    expect(client.received(12, response(request({ method: 'BYE', branch: 'z9hG4bKinvite' }), 200))).toBe(
      'unknown',
    )
    expect(client.received(13, response(request({ ...invitation, branch: 'z9hG4bKother' }), 200))).toBe(
      'unknown',
    )
  })

  test('an INVITE that rings is remembered as long as news arrives', () => {
    const invite = send(invitation)
    client.received(100, response(invite, 180))
    runUntil(client, ringingLifetimeMs)
    client.received(ringingLifetimeMs, response(invite, 180))
    runUntil(client, 2 * ringingLifetimeMs - 1)
    expect(client.size).toBe(1)
    runUntil(client, 2 * ringingLifetimeMs)
    expect(client.size).toBe(0)
  })

  test('a connection that goes takes its unanswered requests with it', () => {
    const invite = send(invitation, tcp)
    const bye = send({ method: 'BYE', branch: 'z9hG4bKbye' }, tcp)
    send({ method: 'INFO', branch: 'z9hG4bKinfo' })
    client.received(10, response(bye, 200))
    expect(client.lose(tcp).map((lost) => lost.branch)).toEqual([invite.topVia.params.get('branch')])
    expect(client.lose(tcp)).toEqual([])
  })

  test('ACK and CANCEL find their INVITE and its route', () => {
    send({ ...invitation, headers: ['Route: <sip:a;lr>', 'Route: <sip:b;lr>'] })
    const found = client.invitationOf(request({ method: 'CANCEL', branch: 'z9hG4bKinvite' }))
    expect(found?.routes).toEqual(['<sip:a;lr>', '<sip:b;lr>'])
  })
})

describe('server', () => {
  let server: ServerReliability
  beforeEach(() => {
    server = new ServerReliability(rfc3261Timers)
  })
  const receive = (now: number, message: SipRequest, flow = udp): RequestVerdict =>
    server.received(now, message, serverKey(message), flow)
  const answer = (now: number, asked: SipRequest, status: number, flow = udp): SipResponse => {
    const message = response(asked, status)
    server.sent(now, server.transactionOf(message)!, message, packetOf(String(status), flow))
    return message
  }
  const invitation: Parts = { method: 'INVITE', branch: 'z9hG4bKinvite' }

  test('a repeated request is absorbed, then answered with the last response', () => {
    const invite = request(invitation)
    expect(receive(0, invite)).toBe('new')
    expect(receive(500, request(invitation))).toBe('retransmission')
    expect(drain(server)).toEqual([])
    answer(600, invite, 100)
    answer(700, invite, 180)
    expect(receive(1500, request(invitation))).toBe('retransmission')
    expect(drain(server)).toEqual(['180'])
  })

  test('timer G: a non-2xx is repeated at T1, doubling up to T2, until timer H', () => {
    const invite = request(invitation)
    receive(0, invite)
    answer(0, invite, 486)
    expect(times(runUntil(server, 100_000))).toEqual([
      500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ])
    expect(server.size).toBe(0)
  })

  test('ACK stops timer G; timer I absorbs its repetitions for T4', () => {
    const invite = request(invitation)
    receive(0, invite)
    answer(0, invite, 486)
    expect(runUntil(server, 600)).toEqual(['500: 486'])
    const ack = request({ method: 'ACK', branch: 'z9hG4bKinvite', toTag: 'to' })
    expect(receive(700, ack)).toBe('new')
    expect(receive(710, ack)).toBe('retransmission')
    expect(runUntil(server, 5_699)).toEqual([])
    expect(server.size).toBe(1)
    runUntil(server, 5_700)
    expect(server.size).toBe(0)
  })

  test('a non-2xx is not repeated over TCP', () => {
    const invite = request(invitation)
    receive(0, invite, tcp)
    answer(0, invite, 486, tcp)
    expect(runUntil(server, 100_000)).toEqual([])
  })

  test.each([udp, tcp])(
    'a 2xx to INVITE is repeated until its ACK, over $protocol too (13.3.1.4)',
    (flow) => {
      const invite = request(invitation)
      receive(0, invite, flow)
      answer(0, invite, 200, flow)
      expect(times(runUntil(server, 9_000))).toEqual([500, 1500, 3500, 7500])
      const ack = request({ method: 'ACK', branch: 'z9hG4bKack', toTag: 'to' })
      expect(receive(9_000, ack)).toBe('new')
      expect(receive(9_100, ack)).toBe('retransmission')
      expect(receive(9_200, request(invitation))).toBe('retransmission')
      expect(drain(server)).toEqual(['200'])
      expect(runUntil(server, 40_000)).toEqual([])
      expect(server.size).toBe(0)
    },
  )

  test('a 2xx nobody acknowledges is given up by timer L', () => {
    const invite = request(invitation)
    receive(0, invite)
    answer(0, invite, 200)
    expect(times(runUntil(server, 100_000)).at(-1)).toBe(31_500)
    expect(server.size).toBe(0)
    expect(receive(40_000, request({ method: 'ACK', branch: 'z9hG4bKack', toTag: 'to' }))).toBe('unknown')
  })

  test('timer J: the final response answers repeated requests for 32 s; over TCP it is forgotten at once', () => {
    const bye = request({ method: 'BYE' })
    receive(0, bye)
    answer(0, bye, 200)
    expect(receive(31_999, request({ method: 'BYE' }))).toBe('retransmission')
    expect(drain(server)).toEqual(['200'])
    runUntil(server, 32_000)
    expect(receive(32_001, request({ method: 'BYE' }))).toBe('new')

    const info = request({ method: 'INFO', branch: 'z9hG4bKinfo' })
    receive(40_000, info, tcp)
    answer(40_000, info, 200, tcp)
    runUntil(server, 40_000)
    expect(server.transactionOf(response(info, 200))).toBeUndefined()
  })

  test('a second final response does not count', () => {
    const invite = request(invitation)
    receive(0, invite)
    const sent = answer(0, invite, 200)
    expect(server.isOpen(server.transactionOf(sent)!)).toBe(false)
  })

  test('the same branch from another sender, or with another method, is another transaction (17.2.3)', () => {
    expect(receive(0, request({ method: 'INFO' }))).toBe('new')
    expect(receive(0, request({ method: 'INFO', via: 'SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1' }))).toBe(
      'new',
    )
    expect(receive(0, request({ method: 'INFO', via: 'SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1' }))).toBe(
      'new',
    )
    expect(receive(0, request({ method: 'MESSAGE' }))).toBe('new')
    expect(receive(0, request({ method: 'INFO' }))).toBe('retransmission')
  })

  test('CANCEL is a transaction beside its INVITE, under the same id', () => {
    const invite = request(invitation)
    const cancel = request({ method: 'CANCEL', branch: 'z9hG4bKinvite' })
    expect(serverKey(cancel)).toBe(serverKey(invite))
    expect(receive(0, invite)).toBe('new')
    expect(receive(1, cancel)).toBe('new')
    answer(2, cancel, 200)
    answer(3, invite, 487)
    expect(receive(4, request({ method: 'CANCEL', branch: 'z9hG4bKinvite' }))).toBe('retransmission')
    expect(drain(server)).toEqual(['200'])
  })

  test('RFC 2543 peers, without the magic cookie, are matched by what they repeat', () => {
    const old: Parts = { method: 'INVITE', via: 'SIP/2.0/UDP old.example.com;branch=1' }
    const invite = request(old)
    expect(receive(0, invite)).toBe('new')
    expect(receive(500, request(old))).toBe('retransmission')
    expect(receive(600, request({ ...old, callId: 'call-2' }))).toBe('new')
    answer(700, invite, 486)
    expect(receive(800, request({ ...old, method: 'ACK', toTag: 'to' }))).toBe('new')
    expect(runUntil(server, 5_000)).toEqual([])
  })

  test('an ACK that belongs to nothing is told apart', () => {
    expect(receive(0, request({ method: 'ACK', toTag: 'x' }))).toBe('unknown')
    receive(0, request(invitation))
    expect(receive(1, request({ method: 'ACK', branch: 'z9hG4bKinvite', toTag: 'x' }))).toBe('unknown')
  })
})

test('ten thousand transactions end in order and leave nothing', () => {
  const client = new ClientReliability(rfc3261Timers)
  for (let i = 0; i < 10_000; i++) {
    const message = request({ method: 'BYE', branch: `z9hG4bK${i}` })
    client.sent((i * 7919) % 1_000, message, packetOf('BYE', tcp))
  }
  let last = 0
  for (let at = client.nextTimeout(); at !== undefined; at = client.nextTimeout()) {
    expect(at).toBeGreaterThanOrEqual(last)
    last = at
    client.handleTimeout(at)
  }
  expect(client.size).toBe(0)
})
