import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createCertificate, fingerprintOf, isVouchedFor } from '../../../src/dtls/certificate.ts'
import type { DtlsEvent } from '../../../src/dtls/endpoint.ts'
import { clientCertificate, type Line, Pair, print, profiles, seeded, serverCertificate } from './pair.ts'

type Connected = Extract<DtlsEvent, { type: 'connected' }>
const connected = (events: DtlsEvent[]): Connected => {
  expect(events.map(({ type }) => type)).toEqual(['connected'])
  return events[0] as Connected
}

function expectSameKeys(pair: Pair): Connected {
  const client = connected(pair.events.client)
  const server = connected(pair.events.server)
  expect(client.local).toEqual(server.remote)
  expect(client.remote).toEqual(server.local)
  expect(client.local).not.toEqual(client.remote)
  expect(client.srtpProfile).toBe(server.srtpProfile)
  return client
}

describe('a handshake', () => {
  it('takes two round trips, and six datagrams at most', () => {
    const pair = new Pair({ delayMs: 10 }).start().run()
    const { cipherSuite, srtpProfile, local } = expectSameKeys(pair)
    expect(cipherSuite).toBe('ECDHE_ECDSA_WITH_AES_128_GCM_SHA256')
    expect(srtpProfile).toBe(0x0007)
    expect([local.key.length, local.salt.length]).toEqual([16, 12])
    expect(pair.now).toBe(40)
    expect(pair.sent.client + pair.sent.server).toBeLessThanOrEqual(6)
    expect(pair.client.nextTimeout()).toBeUndefined()
    expect(pair.server.nextTimeout()).toBeUndefined()
  })

  it('settles on the profile that the server prefers among those of both', () => {
    const pair = new Pair({}, { client: { srtpProfiles: profiles.slice(1) } }).start().run()
    expect(expectSameKeys(pair).srtpProfile).toBe(0x0001)
  })

  it.each([
    [5, 0],
    [20, 20],
    [50, 10],
  ])(
    'survives the loss of %i and the repetition of %i in a hundred, in disorder',
    (lossPercent, duplicatePercent) => {
      for (let seed = 1; seed <= 40; seed++)
        expectSameKeys(new Pair({ lossPercent, duplicatePercent, jitterMs: 30 }, {}, seed).start().run())
    },
  )

  it('is repeated until the far end is there', () => {
    let blocked = true
    const pair = new Pair({ tamper: (data) => (blocked ? undefined : data) }).start().run(5_000)
    expect(pair.events.client).toEqual([])
    blocked = false
    expectSameKeys(pair.run(8_000))
  })

  it('is given up after 30 s', () => {
    const pair = new Pair({ tamper: () => undefined }).start().run()
    expect(pair.events.client).toEqual([
      { type: 'failed', reason: 'the far end did not finish its handshake within 30 s' },
    ])
    expect(pair.now).toBe(30_000)
  })

  it('waits for the fingerprints of the signalling, and gives no key before', () => {
    const pair = new Pair(
      {},
      { client: { fingerprints: undefined as never }, server: { fingerprints: undefined as never } },
    )
    pair.start().run(1_000)
    expect([pair.events.client, pair.events.server]).toEqual([[], []])
    pair.client.setFingerprints([print(serverCertificate)])
    pair.server.setFingerprints([
      { algorithm: 'SHA-256', value: print(clientCertificate).value.toLowerCase() },
    ])
    pair.drain()
    expectSameKeys(pair)
  })

  it('ends with a goodbye', () => {
    const pair = new Pair().start().run()
    pair.client.close()
    pair.drain()
    pair.run()
    expect(pair.events.server.at(-1)).toEqual({ type: 'closed' })
  })
})

describe('somebody in the middle', () => {
  const mallory = createCertificate(seeded(9), 1_800_000_000_000)
  const victim = (reason: RegExp, events: DtlsEvent[]): void => {
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ type: 'failed', reason: expect.stringMatching(reason) })
  }

  it('with a certificate of his own is found by the fingerprint, in both roles', () => {
    victim(
      /not the one that its signalling names/,
      new Pair({}, { server: { certificate: mallory } }).start().run().events.client,
    )
    victim(
      /not the one that its signalling names/,
      new Pair({}, { client: { certificate: mallory } }).start().run().events.server,
    )
  })

  it('is found too where the fingerprint comes later', () => {
    const pair = new Pair(
      {},
      { client: { fingerprints: undefined as never }, server: { certificate: mallory } },
    )
      .start()
      .run(500)
    pair.client.setFingerprints([print(serverCertificate)])
    pair.drain()
    victim(/not the one that its signalling names/, pair.events.client)
  })

  it.each(['client', 'server'] as const)(
    'who shows the certificate of the %s, whose key he has not, is found by the signature',
    (who) => {
      const stolen = {
        der: (who === 'client' ? clientCertificate : serverCertificate).der,
        privateKey: mallory.privateKey,
      }
      const pair = new Pair({}, { [who]: { certificate: stolen } }).start().run()
      victim(/does not hold the key of the certificate/, pair.events[who === 'client' ? 'server' : 'client'])
    },
  )

  it('who changes any octet of any datagram gets no handshake with wrong keys', () => {
    for (let n = 0; n < 6; n++)
      for (let at = 0; at < 1_200; at += 29)
        for (const from of ['client', 'server'] as const) {
          const tamper: Line['tamper'] = (data, by, count) => {
            if (by !== from || count !== n || at >= data.length) return data
            const changed = Uint8Array.from(data)
            changed[at]! ^= 1 << (at % 8)
            return changed
          }
          const { client, server } = new Pair({ tamper, delayMs: 1 }).start().run(31_000).events
          if (client[0]?.type === 'connected' && server[0]?.type === 'connected') {
            expect(client[0].local).toEqual(server[0].remote)
            expect(client[0].remote).toEqual(server[0].local)
          }
        }
  }, 60_000)

  it('who forges a message before there are keys is forgotten with it, and nobody is told', () => {
    const header = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 14]
    // A ServerHello of two octets for the client, a Finished in the clear for the server.
    const forged = {
      client: [2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 9, 9],
      server: [20, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 2, 9, 9],
    }
    for (const victim of ['client', 'server'] as const) {
      const pair = new Pair({ delayMs: 10 }).start().run(10)
      pair[victim].handleDatagram(10, Uint8Array.from([...header, ...forged[victim]]))
      expect(pair[victim].pollTransmit()).toBeUndefined()
      expectSameKeys(pair.run())
    }
  })

  it('who forges an alert before there are keys is not believed where the true one goes on', () => {
    const forged = Uint8Array.from([21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40])
    const pair = new Pair().start()
    pair.client.handleDatagram(0, forged)
    expectSameKeys(pair.run())
    const alone = new Pair({ tamper: () => undefined }).start()
    alone.client.handleDatagram(0, forged)
    expect(alone.run(1_999).events.client).toEqual([])
    expect(alone.run(2_000).events.client).toEqual([
      { type: 'failed', reason: 'the far end ended the handshake: handshake failure' },
    ])
  })
})

describe('what does not fit', () => {
  it('is told at both ends: no SRTP profile in common', () => {
    const pair = new Pair({}, { client: { srtpProfiles: [{ number: 0x0002, keyBytes: 16, saltBytes: 14 }] } })
      .start()
      .run()
    expect(pair.events.server).toEqual([
      { type: 'failed', reason: 'the far end offers no SRTP profile of ours' },
    ])
    expect(pair.events.client).toEqual([
      { type: 'failed', reason: 'the far end ended the handshake: insufficient security' },
    ])
  })

  it('never ends the process: random datagrams, and true ones cut short', () => {
    const random = seeded(3)
    for (const end of ['client', 'server'] as const) {
      const pair = new Pair().start()
      for (let n = 0; n < 5_000; n++) {
        const data = random.bytes(random.integer(200))
        data.set([20 + random.integer(4), 0xfe, 0xfd, 0, random.integer(2)].slice(0, data.length))
        pair[end].handleDatagram(0, data)
      }
      expectSameKeys(pair.run())
    }
    const cut: Line['tamper'] = (data, _, n) => (n < 4 ? data.subarray(0, data.length - 1 - n) : data)
    expectSameKeys(new Pair({ tamper: cut }).start().run())
  })
})

describe('a certificate', () => {
  it('is one that others can read, with a fingerprint as SDP writes it', () => {
    const read = new X509Certificate(clientCertificate.der)
    expect(read.subject).toBe('CN=floe')
    expect(read.verify(read.publicKey)).toBe(true)
    expect(read.fingerprint256).toBe(print(clientCertificate).value)
    expect(fingerprintOf(clientCertificate.der, 'sha-512')?.value).toBe(read.fingerprint512)
    expect(fingerprintOf(clientCertificate.der, 'md5')).toBeUndefined()
    expect(isVouchedFor(clientCertificate.der, [{ algorithm: 'md5', value: 'AA' }])).toBe(false)
    const strong = fingerprintOf(clientCertificate.der, 'sha-512')!
    const other = fingerprintOf(serverCertificate.der, 'sha-512')!
    // Of two hash functions the stronger counts, whichever comes first.
    expect(isVouchedFor(clientCertificate.der, [print(serverCertificate), other, strong])).toBe(true)
    expect(isVouchedFor(clientCertificate.der, [print(clientCertificate), other])).toBe(false)
  })
})
