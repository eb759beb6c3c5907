// The doctor's other lines in the simulator: names, SIP, TURN on each transport, refusals, what all that means for calls; and how
// it gives up.
import { describe, expect, test } from 'vitest'
import { type ExamineOptions, examine } from '../../../src/doctor/examine.ts'
import type { Finding } from '../../../src/doctor/finding.ts'
import { UsageError } from '../../../src/errors.ts'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { parseMessage, responseTo, serializeMessage } from '../../../src/sip/message.ts'
import { decode, MessageWriter } from '../../../src/stun/message.ts'
import { attribute, discoveryAttribute, method } from '../../../src/stun/numbers.ts'
import { about, allServers, clinic, sipServer, turnPassword, turnServer } from './clinic.ts'

const marks = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(findings.map((finding) => [finding.about, finding.mark]))

describe('a healthy home', () => {
  test('every line is there, in the order of the layers', async () => {
    const findings = await clinic({ nat: { ...natKinds.portRestricted, hairpinning: true } }).examine()
    expect(findings.map((finding) => finding.about)).toEqual([
      ...['interface', 'SIP/UDP', 'SIP/TCP', 'STUN', 'mapping', 'filtering', 'direct', 'hairpin', 'lifetime'],
      ...['path MTU', 'TURN/UDP', 'TURN/TCP', 'TURN/TLS', 'pacing', 'calls'],
    ])
    expect(findings.map((finding) => finding.mark)).toEqual(findings.map(() => 'ok'))
    expect(about(findings, 'SIP/UDP').data).toMatchObject({
      status: 200,
      rttMs: 20,
      seen: expect.stringMatching(/^203\.0\.113\.101:/),
    })
    for (const transport of ['UDP', 'TCP', 'TLS']) {
      expect(about(findings, `TURN/${transport}`).data).toMatchObject({
        relayed: [expect.stringMatching(/^203\.0\.113\.20:/)],
        echo: { ms: 20 },
      })
    }
    expect(about(findings, 'calls').data).toBeUndefined()
    expect(JSON.stringify(findings)).not.toContain(turnPassword)
  })

  test('it takes a few seconds, wherever packets go', async () => {
    const { examine: examined, world } = clinic({ nat: { ...natKinds.symmetric, permits: () => false } })
    const findings = await examined()
    expect(world.clock.now()).toBeLessThan(10_000)
    expect(about(findings, 'calls').data).toEqual({ prevented: 'signalling' })
  })
})

describe('networks that let little through', () => {
  test('UDP is blocked', async () => {
    const nat = {
      ...natKinds.portRestricted,
      permits: ({ protocol }: { protocol: string }) => protocol === 'tcp',
    }
    const findings = await clinic({ nat }).examine({ ...allServers, uri: `sip:${sipServer};transport=tcp` })
    expect(marks(findings)).toMatchObject({
      'SIP/UDP': 'warning',
      'SIP/TCP': 'ok',
      STUN: 'problem',
      'TURN/UDP': 'problem',
      'TURN/TCP': 'ok',
      'TURN/TLS': 'ok',
      calls: 'ok',
    })
    expect(about(findings, 'calls').fact).toContain('relayed (TURN over TCP)')
    const overUdp = await clinic({ nat }).examine()
    expect(about(overUdp, 'calls')).toMatchObject({
      fix: 'it answers over TCP: use --transport tcp',
      data: { prevented: 'signalling' },
    })
  })

  test('only TLS on port 443', async () => {
    const nat = {
      ...natKinds.portRestricted,
      permits: (packet: { protocol: string; destination: { port: number } }) =>
        packet.protocol === 'tcp' && (packet.destination.port === 443 || packet.destination.port === 5060),
    }
    const findings = await clinic({ nat }).examine({ ...allServers, uri: `sip:${sipServer};transport=tcp` })
    expect(marks(findings)).toMatchObject({ 'TURN/TCP': 'problem', 'TURN/TLS': 'ok', calls: 'ok' })
  })

  test('no way out for media', async () => {
    const nat = { ...natKinds.portRestricted, permits: () => false }
    const findings = await clinic({ nat }).examine({
      uri: undefined,
      iceServers: [`stun:${turnServer}`],
    } as never)
    expect(about(findings, 'calls').data).toEqual({ prevented: 'media' })
  })

  test('a symmetric NAT without a relay', async () => {
    const findings = await clinic({ nat: natKinds.symmetric }).examine({ iceServers: [`stun:${turnServer}`] })
    expect(about(findings, 'direct')).toMatchObject({ mark: 'warning', data: { reach: 'few' } })
    expect(about(findings, 'calls')).toMatchObject({
      mark: 'warning',
      fix: expect.stringContaining('--turn'),
    })
  })
})

describe('servers that refuse', () => {
  const turn = (text: string) => ({ ...allServers, iceServers: [`turn:${text}@${turnServer}`] })

  test('wrong password', async () => {
    const findings = await clinic({ nat: natKinds.fullCone }).examine(turn('alice:wrong'))
    expect(about(findings, 'TURN/UDP')).toMatchObject({
      mark: 'problem',
      fix: 'check user and password',
      data: { code: 401 },
    })
  })

  test.each([
    ['quota', { quota: 0 }, 486],
    ['capacity', { capacity: 0 }, 508],
  ])('%s', async (_, refusing, code) => {
    const findings = await clinic({ turn: refusing }).examine(turn(`alice:${turnPassword}`))
    expect(about(findings, 'TURN/UDP')).toMatchObject({ mark: 'problem', data: { code } })
  })

  test('a relay that forbids its own address still is one', async () => {
    const forbids = { permitsPeer: (address: string) => address !== turnServer }
    const findings = await clinic({ turn: forbids }).examine(turn(`alice:${turnPassword}`))
    expect(about(findings, 'TURN/UDP')).toMatchObject({ mark: 'ok', data: { echo: { code: 403 } } })
  })

  test('nobody is there', async () => {
    const findings = await clinic().examine({
      uri: 'sip:203.0.113.99',
      iceServers: ['stun:203.0.113.99', 'turns:a:b@203.0.113.99'],
    })
    expect(marks(findings)).toMatchObject({
      'SIP/UDP': 'problem',
      'SIP/TCP': 'warning',
      STUN: 'problem',
      'TURN/TLS': 'problem',
      calls: 'problem',
    })
  })
})

describe('names', () => {
  test('what is unknown costs a line and stops nothing', async () => {
    const findings = await clinic().examine({
      uri: 'sip:nowhere.example',
      iceServers: ['stun:nothing.example', `stun:${turnServer}`],
    })
    const lines = findings.filter((finding) => finding.about === 'DNS')
    expect(lines.map((finding) => [finding.mark, finding.data?.['name']])).toEqual([
      ['problem', 'nowhere.example'],
      ['problem', 'nothing.example'],
    ])
    expect(lines.map((finding) => finding.fix?.includes('SRV'))).toEqual([true, false])
    expect(about(findings, 'mapping').mark).toBe('ok')
    expect(about(findings, 'calls').data).toEqual({ prevented: 'signalling' })
  })

  test('a SIP domain of NAPTR and SRV records alone: each is told, and their servers are asked', async () => {
    const { world, examine: examined } = clinic()
    const record = (priority: number, weight: number, target: string) => ({
      priority,
      weight,
      port: 5060,
      target,
    })
    world.names.set('example.com', {
      naptr: [
        {
          order: 10,
          preference: 1,
          flags: 's',
          service: 'SIP+D2T',
          replacement: '_sip._tcp.example.com',
        },
      ],
    })
    world.names.set('_sip._tcp.example.com', {
      srv: [record(0, 10, 'a.example.com'), record(1, 0, 'b.example.com')],
    })
    world.names.set('_sip._udp.example.com', { srv: [record(0, 0, 'a.example.com')] })
    world.setName('a.example.com', [sipServer])
    world.setName('b.example.com', ['203.0.113.99'])
    const findings = await examined({ ...allServers, uri: 'sip:bob@example.com' })
    const dns = findings.filter((finding) => finding.about === 'DNS').map(({ fact }) => fact)
    expect(dns[0]).toMatch(/^example\.com offers SIP\+D2T \(NAPTR/)
    expect(dns).toContainEqual(
      expect.stringMatching(
        /^_sip\._tcp\.example\.com is a\.example\.com:5060, then b\.example\.com:5060 \(SRV/,
      ),
    )
    expect(dns).toContainEqual(expect.stringMatching(/^b\.example\.com is 203\.0\.113\.99/))
    expect(dns.some((fact) => fact.startsWith('example.com is'))).toBe(false)
    const sip = findings.filter(({ about: what }) => what.startsWith('SIP/'))
    expect(sip.map((finding) => [finding.about, finding.mark])).toEqual([
      ['SIP/TCP', 'ok'],
      ['SIP/TCP', 'problem'],
    ])
    expect(about(findings, 'calls').mark).toBe('ok')
  })

  test('an address of a family that this machine lacks is told, and not asked', async () => {
    const { world, examine: examined } = clinic()
    world.setName('pbx.example', ['2001:db8::1', sipServer])
    const findings = await examined({ ...allServers, uri: 'sip:pbx.example' })
    expect(about(findings, 'DNS').fact).toMatch(/^pbx\.example is 2001:db8::1 \(no route from here\), 203/)
    expect(about(findings, 'SIP/UDP')).toMatchObject({ mark: 'ok', data: { server: `${sipServer}:5060` } })
  })
})

describe('what is asked for', () => {
  test('nothing: interfaces, pacing, and what else could be asked', async () => {
    const findings = await clinic().examine({ uri: undefined, iceServers: [] } as never)
    expect(findings.map((finding) => finding.about)).toEqual(['interface', 'pacing', 'calls'])
    expect(about(findings, 'calls')).toMatchObject({
      mark: 'unknown',
      fix: expect.stringContaining('--stun'),
    })
  })

  test.each(['sips:pbx.example', 'sip:pbx.example;transport=tls'])('%s is asked over TLS', async (uri) => {
    const { world, examine: examined } = clinic()
    world.setName('pbx.example', [sipServer])
    const findings = await examined({ ...allServers, uri })
    expect(about(findings, 'SIP/TLS')).toMatchObject({ mark: 'ok', data: { server: `${sipServer}:5061` } })
  })

  test.each([
    [`sips:${sipServer}`, 'SIP/TLS', `${sipServer}:5061`],
    [`sip:${sipServer};transport=tls`, 'SIP/TLS', `${sipServer}:5061`],
    [`ws://${sipServer}:8088/ws`, 'SIP/WS', `${sipServer}:8088`],
    [`sip:${sipServer}:8089;transport=wss`, 'SIP/WSS', `${sipServer}:8089`],
  ])('%s: that transport, at its own port, and no other', async (uri, line, server) => {
    const findings = await clinic().examine({ ...allServers, uri })
    expect(findings.filter((finding) => finding.about.startsWith('SIP'))).toEqual([
      expect.objectContaining({
        about: line,
        mark: 'ok',
        data: expect.objectContaining({ server, status: 200 }),
      }),
    ])
    expect(about(findings, 'calls').mark).toBe('ok')
  })

  test.each([
    ['sip:203.0.113.10:5999;transport=tls', 'SIP/TLS'],
    ['sip:203.0.113.10;transport=sctp', 'SIP/SCTP'],
  ])('%s is told to be out of reach', async (uri, line) => {
    const findings = await clinic().examine({ ...allServers, uri })
    expect(about(findings, line)).toMatchObject({ mark: 'problem' })
    expect(about(findings, 'calls').data).toEqual({ prevented: 'signalling' })
  })

  test.each([{ uri: 'tel:+15550100' }, { iceServers: ['stun:'] }, { httpProxy: 'ftp://x' }])(
    '%j is a mistake',
    (options) => {
      expect(() => examine(options)).toThrow(UsageError)
    },
  )
})

describe('servers that do it wrong', () => {
  /** The doctor before a server on 203.0.113.50 that answers each datagram as `answer` says. */
  async function before(
    port: number,
    answer: (data: Uint8Array, from: TransportAddress) => Uint8Array | undefined,
    options: ExamineOptions,
  ): Promise<Finding[]> {
    const { world, examine: examined } = clinic({ nat: natKinds.portRestricted })
    const host = world.host('wrong', world.internet.at('203.0.113.50'))
    const socket = await host.openUdp({ address: '203.0.113.50', port })
    socket.onDatagram = (data, from) => {
      const response = answer(data, from)
      if (response) socket.send(response, from)
    }
    return examined({ ...allServers, ...options })
  }

  test('another address is named, and CHANGE-REQUEST ignored', async () => {
    const findings = await before(
      3478,
      (data, from) => {
        const request = decode(data)
        if (typeof request === 'string') return undefined
        return new MessageWriter('success', method.binding, request.transactionId)
          .xorAddress(attribute.xorMappedAddress, from)
          .address(discoveryAttribute.otherAddress, { address: '203.0.113.51', port: 3479 })
          .finish()
      },
      { iceServers: ['stun:203.0.113.50'] },
    )
    expect(about(findings, 'mapping').data).toMatchObject({ mapping: 'unknown' })
    expect(about(findings, 'filtering').data).toEqual({ filtering: 'unknown' })
    expect(about(findings, 'lifetime').mark).toBe('unknown')
  })

  test('nothing but errors', async () => {
    const findings = await before(
      3478,
      (data) => new MessageWriter('error', method.binding, data.subarray(8, 20)).errorCode(500).finish(),
      { iceServers: ['stun:203.0.113.50'] },
    )
    expect(about(findings, 'STUN')).toMatchObject({ mark: 'problem', fact: expect.stringContaining('(500)') })
    expect(about(findings, 'calls').data).toEqual({ prevented: 'media' })
  })

  test('a Via that comes back changed is the work of something on the way', async () => {
    const findings = await before(
      5060,
      (data) => {
        const parsed = parseMessage(data)
        if (!('message' in parsed) || parsed.message.kind !== 'request') return undefined
        const response = responseTo(parsed.message, 200, 'OK', 'tag')
        response.replaceFirst('Via', parsed.message.get('Via')!.replace('192.168.1.2', '203.0.113.101'))
        return serializeMessage(response)
      },
      { uri: 'sip:203.0.113.50' },
    )
    expect(about(findings, 'SIP ALG')).toMatchObject({
      mark: 'warning',
      data: {
        from: expect.stringMatching(/^192\.168\.1\.2:/),
        to: expect.stringMatching(/^203\.0\.113\.101:/),
      },
    })
  })
})

test('giving up ends at once, gives allocations back and leaves nothing', async () => {
  const { world, patient, examine: examined } = clinic({ nat: natKinds.portRestricted })
  const giveUp = new AbortController()
  world.clock.setTimer(150, () => giveUp.abort())
  const findings = await examined({ ...allServers, lifetime: true, signal: giveUp.signal })
  expect(findings.map((finding) => finding.about)).toEqual(['interface', 'SIP/UDP', 'SIP/TCP', 'STUN'])
  expect(world.clock.now()).toBeLessThan(3_000)
  expect(patient.open).toEqual([])
})
