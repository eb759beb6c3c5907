// The TURN client against RFC 8656 and the long-term credential of RFC 8489 9.2, the server played by hand: what it asks, what it
// makes of every answer, and what nobody but the server can make it do.
import { describe, expect, it } from 'vitest'
import { readText, readUint32, readXorAddress } from '../../../src/stun/attributes.ts'
import { integrityMatches, integritySha256Matches, longTermKey } from '../../../src/stun/integrity.ts'
import { decode, MessageWriter, type StunMessage } from '../../../src/stun/message.ts'
import { attribute, method, turnAttribute } from '../../../src/stun/numbers.ts'
import { channelPayload, writeChannelData } from '../../../src/turn/channel-data.ts'
import { credentials, local, peer, realm, relayed, serverAddress, TurnBench } from './bench.ts'

const stranger = { address: '198.51.100.66', port: 3478 }
const data = Uint8Array.of(0x80, 0, 1, 2, 3)
const zero = (writer: MessageWriter) => writer.uint32(turnAttribute.lifetime, 600)
const failure = (bench: TurnBench) => bench.events.find(({ type }) => type === 'failed')

describe('an allocation (RFC 8656 7)', () => {
  it('is asked for without credentials first, then with those that the 401 asks for', () => {
    const bench = new TurnBench()
    bench.client.allocate(0)
    const first = bench.request()
    expect(first.method).toBe(method.allocate)
    expect(readUint32(first, turnAttribute.requestedTransport)).toBe(17 << 24)
    expect(first.attributes.has(attribute.username)).toBe(false)
    bench.receive(bench.challenge(first))
    const second = bench.request()
    expect(Buffer.compare(first.transactionId, second.transactionId)).not.toBe(0)
    expect(readText(second, attribute.username)).toBe('alice')
    expect(readText(second, attribute.realm)).toBe(realm)
    expect(readText(second, attribute.nonce)).toBe('n0')
    expect(integrityMatches(second, longTermKey('alice', realm, 'wonder'))).toBe(true)
    bench.receive(bench.allocation(second))
    expect(bench.events).toEqual([{ type: 'allocated', relayed: [relayed], mapped: local }])
  })

  it.each([
    ['both families', undefined, 'additional'],
    ['IPv4 alone', [4], undefined],
    ['IPv6 alone', [6], 'requested'],
  ] as const)('of %s', (_name, families, which) => {
    const bench = new TurnBench(families && { families: [...families] })
    bench.client.allocate(0)
    const request = bench.request()
    const six = 2 << 24
    const asked = (type: number) => readUint32(request, type)
    expect(asked(turnAttribute.additionalAddressFamily)).toBe(which === 'additional' ? six : undefined)
    expect(asked(turnAttribute.requestedAddressFamily)).toBe(which === 'requested' ? six : undefined)
  })

  it('of two families: both relayed addresses, and each peer through the one of its family', () => {
    const six = { address: '2001:db8::10', port: 50_001 }
    const bench = new TurnBench()
    bench.receive(bench.allocation(bench.challenged(), [relayed, six]))
    expect(bench.events).toMatchObject([{ type: 'allocated', relayed: [relayed, six] }])
    bench.client.permit(0, { address: '2001:db8::77', port: 1 })
    bench.receive(bench.success(bench.request()))
    bench.receive(
      new MessageWriter('indication', method.data, new Uint8Array(12))
        .xorAddress(turnAttribute.xorPeerAddress, { address: '2001:db8::77', port: 9 })
        .octets(turnAttribute.data, data)
        .finish(),
    )
    expect(bench.events.at(-1)).toMatchObject({ type: 'data', relayed: six })
  })

  it('of two families where there is one (ADDRESS-ERROR-CODE): the one there is', () => {
    const bench = new TurnBench()
    const request = bench.challenged()
    bench.receive(
      bench.success(request, (writer) => {
        writer
          .xorAddress(turnAttribute.xorRelayedAddress, relayed)
          .octets(turnAttribute.addressErrorCode, Uint8Array.of(2, 0, 4, 40))
          .uint32(turnAttribute.lifetime, 600)
      }),
    )
    expect(bench.events).toMatchObject([{ type: 'allocated', relayed: [relayed] }])
    bench.client.permit(0, { address: '2001:db8::77', port: 1 })
    bench.advance(0)
    expect(bench.events.at(-1)).toMatchObject({ type: 'peer-refused', code: 443 })
    expect(bench.sent()).toEqual([])
  })

  it('asks for IPv6 alone where there is no IPv4 (440), and tells where there is neither', () => {
    const bench = new TurnBench()
    bench.receive(bench.error(bench.challenged(), 440))
    const again = bench.request()
    expect(readUint32(again, turnAttribute.requestedAddressFamily)).toBe(2 << 24)
    bench.receive(bench.error(again, 440))
    expect(failure(bench)).toMatchObject({ code: 440, reason: expect.stringMatching(/IP version.*add one/) })
  })

  it.each([
    [400, /check that this port/],
    [403, /forbids a relay \(403\).*must permit/],
    [420, /must be updated/],
    [441, /another user \(441\)/],
    [442, /does not relay UDP/],
    [486, /no more relays \(486\).*quota/],
    [500, /refused a relay \(500\)/],
    [508, /full \(508\).*second server/],
  ])('is refused with %d: one sentence with cause and remedy', (code, reason) => {
    const bench = new TurnBench()
    bench.receive(bench.error(bench.challenged(), code))
    expect(failure(bench)).toMatchObject({ code, reason: expect.stringMatching(reason) })
    expect(JSON.stringify(bench.events)).not.toContain(credentials.password)
    expect(bench.client.nextTimeout()).toBeUndefined()
  })

  it('clears what an earlier user of the same path has left (437), once', () => {
    const bench = new TurnBench()
    bench.receive(bench.error(bench.challenged(), 437))
    const clear = bench.request()
    expect([clear.method, readUint32(clear, turnAttribute.lifetime)]).toEqual([method.refresh, 0])
    bench.receive(bench.success(clear, (writer) => writer.uint32(turnAttribute.lifetime, 0)))
    const again = bench.request()
    expect(again.method).toBe(method.allocate)
    bench.receive(bench.error(again, 437))
    expect(failure(bench)).toMatchObject({ code: 437 })
  })

  it('is given up after four requests where nobody answers: 3.4 s', () => {
    const bench = new TurnBench()
    bench.client.allocate(0)
    bench.advance(3_399)
    expect(bench.sent()).toHaveLength(4)
    expect(failure(bench)).toBeUndefined()
    bench.advance(1)
    expect(failure(bench)).toMatchObject({
      reason: expect.stringMatching(/did not answer within 3.4 s.*TLS/),
    })
  })

  it.each([
    ['of port 0', { address: '192.0.2.10', port: 0 }],
    ['of no host', { address: '0.0.0.0', port: 9 }],
  ])('with an address %s is none', (_name, address) => {
    const bench = new TurnBench()
    bench.receive(bench.allocation(bench.challenged(), [address]))
    expect(failure(bench)).toMatchObject({ reason: expect.stringMatching(/without a usable address/) })
  })

  it('is given back when it is not needed any more', () => {
    const bench = new TurnBench().allocated()
    bench.client.close(bench.now)
    const farewell = bench.request()
    expect([farewell.method, readUint32(farewell, turnAttribute.lifetime)]).toEqual([method.refresh, 0])
    expect(bench.client.nextTimeout()).toBeUndefined()
  })
})

describe('Try Alternate (300, RFC 8489 10)', () => {
  const alternate = { address: '192.0.2.11', port: 3479 }
  const redirect = (to: { address: string; port: number }) => (writer: MessageWriter) =>
    writer.address(attribute.alternateServer, to)

  it('is followed, with the same credentials and transport, from a first challenge on', () => {
    const bench = new TurnBench()
    bench.client.allocate(0)
    bench.receive(bench.unsealedError(bench.request(), 300, redirect(alternate)))
    const [datagram] = bench.sent()
    expect(datagram!.remote).toEqual(alternate)
    const message = decode(datagram!.data) as StunMessage
    expect(message.attributes.has(attribute.username)).toBe(false)
    bench.receive(bench.challenge(message), alternate)
    bench.receive(bench.allocation(bench.request()), alternate)
    expect(bench.events).toMatchObject([{ type: 'allocated' }])
    expect(bench.client.server.address).toEqual(alternate)
  })

  it('over TLS leads to a server whose certificate bears the name in ALTERNATE-DOMAIN', () => {
    const bench = new TurnBench({ transport: 'tls' })
    bench.client.allocate(0)
    const [first] = bench.sent()
    expect(first).toMatchObject({ over: 'turn-tls', serverName: 'turn.example' })
    bench.receive(
      bench.unsealedError(decode(first!.data) as StunMessage, 300, (writer) =>
        redirect(alternate)(writer).text(attribute.alternateDomain, 'other.example'),
      ),
    )
    const [again] = bench.sent()
    expect(again).toMatchObject({ remote: alternate, serverName: 'other.example' })
    // A proxy is asked for the name as long as it stands for the address.
    expect([first!.hostName, again!.hostName]).toEqual(['turn.example', undefined])
  })

  it('over a stream: that the first server then closes its connection means nothing', () => {
    const bench = new TurnBench({ transport: 'tcp' })
    bench.client.allocate(0)
    bench.receive(bench.unsealedError(bench.request(), 300, redirect(alternate)))
    const again = bench.request()
    bench.client.handleClosed(bench.now, 'it closed', serverAddress)
    bench.receive(bench.challenge(again), alternate)
    bench.receive(bench.allocation(bench.request()), alternate)
    expect(bench.events).toMatchObject([{ type: 'allocated' }])
    bench.client.handleClosed(bench.now, 'it closed', alternate)
    bench.advance(0)
    expect(failure(bench)).toMatchObject({ reason: expect.stringMatching(/no connection to .*it closed/) })
  })

  it('never leads in a circle, nor to what is no server', () => {
    for (const to of [serverAddress, { address: '0.0.0.0', port: 9 }, { address: '192.0.2.11', port: 0 }]) {
      const bench = new TurnBench()
      bench.client.allocate(0)
      bench.receive(bench.unsealedError(bench.request(), 300, redirect(to)))
      expect(failure(bench)).toMatchObject({ code: 300, reason: expect.stringMatching(/there the way ends/) })
    }
  })

  it('is followed three times at most', () => {
    const bench = new TurnBench()
    bench.client.allocate(0)
    let from = serverAddress
    for (let n = 1; n <= 4; n++) {
      const to = { address: `192.0.2.${100 + n}`, port: 3478 }
      bench.receive(bench.unsealedError(bench.request(), 300, redirect(to)), from)
      from = to
    }
    expect(failure(bench)).toMatchObject({ code: 300 })
  })
})

describe('credentials (RFC 8489 9.2)', () => {
  it('a wrong password is told at once', () => {
    const bench = new TurnBench()
    bench.receive(bench.challenge(bench.challenged()))
    expect(failure(bench)).toMatchObject({
      code: 401,
      reason: expect.stringMatching(/refused the credentials: check user and password/),
    })
  })

  it('of time-limited credentials the clocks may be the cause', () => {
    const bench = new TurnBench({ username: '1700000000:alice' })
    bench.receive(bench.challenge(bench.challenged()))
    expect(failure(bench)).toMatchObject({ reason: expect.stringMatching(/time may be over.*both clocks/) })
  })

  it('a stale nonce is replaced (438), in whatever request', () => {
    const bench = new TurnBench().allocated()
    bench.client.permit(bench.now, peer)
    bench.receive(bench.challenge(bench.request(), 438, 'n1'))
    const again = bench.request()
    expect(again.method).toBe(method.createPermission)
    expect(readText(again, attribute.nonce)).toBe('n1')
    bench.receive(bench.success(again))
    bench.advance(600_000 - 61_000)
    expect(failure(bench)).toBeUndefined()
  })

  it('where every nonce is stale, there is an end', () => {
    const bench = new TurnBench()
    let request = bench.challenged()
    for (let n = 1; n <= 3; n++) {
      bench.receive(bench.challenge(request, 438, `n${n}`))
      request = bench.request()
    }
    bench.receive(bench.challenge(request, 438, 'n4'))
    expect(failure(bench)).toMatchObject({ code: 438, reason: expect.stringMatching(/every nonce stale/) })
  })

  it.each([
    ['without REALM', (w: MessageWriter) => w.text(attribute.nonce, 'n')],
    ['without NONCE', (w: MessageWriter) => w.text(attribute.realm, realm)],
    [
      'with a nonce of 800 octets',
      (w: MessageWriter) => w.text(attribute.realm, realm).text(attribute.nonce, 'n'.repeat(800)),
    ],
  ] as const)('a challenge %s cannot be met', (_name, fill) => {
    const bench = new TurnBench()
    bench.client.allocate(0)
    bench.receive(bench.unsealedError(bench.request(), 401, fill))
    expect(failure(bench)).toMatchObject({ code: 401, reason: expect.stringMatching(/cannot be used/) })
  })

  describe('with PASSWORD-ALGORITHMS', () => {
    const both = Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)
    const offer = (algorithms: Uint8Array) => (writer: MessageWriter) =>
      writer.octets(attribute.passwordAlgorithms, algorithms)
    // Bit 0, password algorithms; bits 0 and 1, user names hidden as well (RFC 8489 18.1).
    const cookie = { algorithms: 'obMatJos2AAAB', hidden: 'obMatJos2AAAD' }

    it('SHA-256 is taken, the list repeated, and MESSAGE-INTEGRITY-SHA256 alone used', () => {
      const bench = new TurnBench()
      bench.client.allocate(0)
      bench.receive(bench.challenge(bench.request(), 401, `${cookie.algorithms}x`, offer(both)))
      const request = bench.request()
      expect(request.attributes.get(attribute.passwordAlgorithms)).toEqual(both)
      expect(request.attributes.get(attribute.passwordAlgorithm)).toEqual(Uint8Array.of(0, 2, 0, 0))
      expect(request.integrityOffset).toBeUndefined()
      expect(integritySha256Matches(request, longTermKey('alice', realm, 'wonder', 'sha256'))).toBe(true)
      expect(readText(request, attribute.username)).toBe('alice')
    })

    it('MD5 is used where the server knows nothing better', () => {
      const bench = new TurnBench()
      bench.client.allocate(0)
      const offered = Uint8Array.of(0, 7, 0, 0, 0, 1, 0, 0)
      bench.receive(bench.challenge(bench.request(), 401, `${cookie.algorithms}x`, offer(offered)))
      const request = bench.request()
      expect(integritySha256Matches(request, longTermKey('alice', realm, 'wonder', 'md5'))).toBe(true)
    })

    it('the user name is hidden where the server asks for it', () => {
      const bench = new TurnBench()
      bench.client.allocate(0)
      bench.receive(bench.challenge(bench.request(), 401, `${cookie.hidden}x`, offer(both)))
      const request = bench.request()
      expect(request.attributes.has(attribute.username)).toBe(false)
      expect(request.attributes.get(attribute.userhash)).toHaveLength(32)
    })

    it.each([
      ['the list taken away although the nonce tells of it', undefined, /altered on the way/],
      ['nothing that floe knows', Uint8Array.of(0, 7, 0, 0), /no password algorithm/],
    ] as const)('%s: nothing weaker is used (RFC 8489 9.2.5)', (_name, algorithms, reason) => {
      const bench = new TurnBench()
      bench.client.allocate(0)
      const fill = algorithms ? offer(algorithms) : () => {}
      bench.receive(bench.challenge(bench.request(), 401, `${cookie.algorithms}x`, fill))
      expect(failure(bench)).toMatchObject({ reason: expect.stringMatching(reason) })
      expect(bench.sent()).toEqual([])
    })

    it('once strong, always strong: a later challenge without a list is not met', () => {
      const bench = new TurnBench()
      bench.client.allocate(0)
      bench.receive(bench.challenge(bench.request(), 401, `${cookie.algorithms}x`, offer(both)))
      bench.receive(bench.challenge(bench.request(), 438, 'plain'))
      expect(failure(bench)).toMatchObject({ reason: expect.stringMatching(/altered on the way/) })
      expect(bench.sent()).toEqual([])
    })

    it('an answer with the weaker integrity is not believed', () => {
      const bench = new TurnBench()
      bench.client.allocate(0)
      bench.receive(bench.challenge(bench.request(), 401, `${cookie.algorithms}x`, offer(both)))
      bench.receive(bench.allocation(bench.request()))
      expect(bench.events).toEqual([])
      expect(bench.drops).toEqual({ 'wrong integrity': 1 })
    })
  })
})

describe('what holds (RFC 8656 8, 9, 12)', () => {
  it('the allocation is refreshed a minute before its end', () => {
    const bench = new TurnBench().allocated()
    bench.advance(539_000)
    bench.sent()
    bench.advance(1_000)
    const refresh = bench.request()
    expect([refresh.method, refresh.attributes.has(turnAttribute.lifetime)]).toEqual([method.refresh, false])
    bench.receive(bench.success(refresh, zero))
    bench.advance(539_000)
    expect(failure(bench)).toBeUndefined()
  })

  it('a refresh is repeated for 39.5 s, then the relay is gone', () => {
    const bench = new TurnBench().allocated()
    bench.advance(540_000 + 39_000)
    expect(failure(bench)).toBeUndefined()
    bench.advance(1_000)
    expect(failure(bench)).toMatchObject({ reason: expect.stringMatching(/no longer answers/) })
  })

  it('a server that ends the relay (LIFETIME 0), or has lost it (437), is believed', () => {
    for (const how of [
      (bench: TurnBench, m: StunMessage) => bench.success(m, (w) => w.uint32(turnAttribute.lifetime, 0)),
      (bench: TurnBench, m: StunMessage) => bench.error(m, 437),
    ]) {
      const bench = new TurnBench().allocated()
      bench.advance(540_000)
      const refresh = bench.messages().find((message) => message.method === method.refresh)!
      bench.receive(how(bench, refresh))
      expect(failure(bench)).toBeDefined()
      expect(bench.client.nextTimeout()).toBeUndefined()
    }
  })

  it('a lifetime beyond all sense does no harm', () => {
    const bench = new TurnBench()
    const request = bench.challenged()
    bench.receive(
      bench.success(request, (writer) =>
        writer
          .xorAddress(turnAttribute.xorRelayedAddress, relayed)
          .uint32(turnAttribute.lifetime, 0xffff_ffff),
      ),
    )
    bench.advance(3_600_000)
    expect(failure(bench)).toBeUndefined()
  })

  it('a permission is asked for once, used meanwhile, and renewed every 240 s while it is in use', () => {
    const bench = new TurnBench().allocated()
    bench.client.permit(0, peer)
    bench.client.permit(0, { ...peer, port: 1 })
    const request = bench.request()
    expect(readXorAddress(request, turnAttribute.xorPeerAddress)).toEqual(peer)
    bench.receive(bench.success(request))
    const stun = new MessageWriter('request', method.binding, new Uint8Array(12)).finish()
    bench.client.send(bench.now, stun, peer)
    const [indication] = bench.messages()
    expect(indication).toMatchObject({ class: 'indication', method: method.send })
    bench.advance(200_000)
    bench.client.send(bench.now, stun, peer)
    bench.sent()
    bench.advance(40_000)
    expect(bench.request().method).toBe(method.createPermission)
  })

  it('a permission that nobody uses lapses, and comes back when it is needed', () => {
    const bench = new TurnBench().allocated()
    bench.client.permit(0, peer)
    bench.receive(bench.success(bench.request()))
    bench.advance(300_000)
    expect(bench.messages().filter((m) => m.method === method.createPermission)).toEqual([])
    bench.client.permit(bench.now, peer)
    expect(bench.request().method).toBe(method.createPermission)
  })

  it.each([403, 443])(
    'a peer that the server will not have (%d) is told, and nothing is sent to it',
    (code) => {
      const bench = new TurnBench().allocated()
      bench.client.permit(0, peer)
      bench.receive(bench.error(bench.request(), code))
      expect(bench.events).toEqual([{ type: 'peer-refused', peer, code }])
      bench.client.send(bench.now, data, peer)
      expect(bench.sent()).toEqual([])
    },
  )

  it('media gets a channel, and does not wait for it', () => {
    const bench = new TurnBench().allocated()
    bench.client.send(0, data, peer)
    const [bind, indication] = bench.messages()
    expect(bind!.method).toBe(method.channelBind)
    expect(readUint32(bind!, turnAttribute.channelNumber)).toBe(0x4000 << 16)
    expect(indication!.attributes.get(turnAttribute.data)).toEqual(data)
    bench.receive(bench.success(bind!))
    bench.client.send(0, data, peer)
    const [channelled] = bench.sent()
    expect(channelPayload(channelled!.data)).toEqual(data)
    expect(channelled!.data).toHaveLength(4 + data.length)
  })

  it('on a stream ChannelData is padded to four octets', () => {
    const bench = new TurnBench({ transport: 'tcp' }).allocated()
    bench.client.send(0, data, peer)
    bench.receive(bench.success(bench.request()))
    bench.client.send(0, data, peer)
    expect(bench.sent()[0]!.data).toHaveLength(4 + 8)
  })

  it('a channel is renewed while it is in use, and with it its permission', () => {
    const bench = new TurnBench().allocated()
    bench.client.send(0, data, peer)
    bench.receive(bench.success(bench.messages()[0]!))
    for (let seconds = 0; seconds < 230; seconds += 10) {
      bench.client.send(bench.now, data, peer)
      bench.advance(10_000)
    }
    const due = bench.messages()
    expect(due.map((m) => m.method).filter((m) => m !== method.binding)).toEqual([method.channelBind])
    expect(readUint32(due[0]!, turnAttribute.channelNumber)).toBe(0x4000 << 16)
  })

  it('where no channel can be had, Send indications do', () => {
    const bench = new TurnBench().allocated()
    bench.client.send(0, data, peer)
    bench.receive(bench.error(bench.messages()[0]!, 508))
    expect(bench.request().method).toBe(method.createPermission)
    bench.client.send(0, data, peer)
    expect(bench.messages()[0]).toMatchObject({ class: 'indication', method: method.send })
  })

  it('4096 channels and no more; never is a number given to a second peer', () => {
    const bench = new TurnBench().allocated()
    const numbers = new Set<number>()
    for (let port = 1; port <= 4_100; port++) {
      bench.client.send(0, data, { ...peer, port })
      for (const m of bench.messages())
        if (m.method === method.channelBind) numbers.add(readUint32(m, turnAttribute.channelNumber)! >>> 16)
    }
    expect(numbers.size).toBe(4_096)
    expect([Math.min(...numbers), Math.max(...numbers)]).toEqual([0x4000, 0x4fff])
  })

  it('the way to the server is held open where nothing else is sent', () => {
    const bench = new TurnBench().allocated()
    bench.advance(15_000)
    expect(bench.messages()).toMatchObject([{ class: 'indication', method: method.binding }])
  })

  it('at a deadline, too, less than 15 s after the last packet as floating point subtracts', () => {
    const bench = new TurnBench()
    bench.now = 1_400.1
    expect(bench.now + 15_000 - bench.now).toBeLessThan(15_000)
    bench.allocated()
    bench.sent()
    const { at } = bench.client.nextTimeout()!
    bench.client.handleTimeout(at)
    expect(bench.messages()).toMatchObject([{ class: 'indication', method: method.binding }])
    expect(bench.client.nextTimeout()!.at).toBe(at + 15_000)
  })
})

describe('nobody but the server', () => {
  it.each([
    ['gives an allocation', (bench: TurnBench, m: StunMessage) => bench.allocation(m)],
    ['challenges', (bench: TurnBench, m: StunMessage) => bench.challenge(m)],
    [
      'redirects',
      (bench: TurnBench, m: StunMessage) =>
        bench.unsealedError(m, 300, (w) => w.address(attribute.alternateServer, stranger)),
    ],
    ['refuses', (bench: TurnBench, m: StunMessage) => bench.unsealedError(m, 403)],
  ])('%s: another source address', (_name, forge) => {
    const bench = new TurnBench()
    bench.client.allocate(0)
    bench.receive(forge(bench, bench.request()), stranger)
    expect(bench.events).toEqual([])
    expect(bench.sent()).toEqual([])
    expect(bench.drops).toEqual({ 'not of our TURN server': 1 })
  })

  it('answers a request whose transaction is not known', () => {
    const bench = new TurnBench()
    const request = bench.challenged()
    const guessed = { ...request, transactionId: new Uint8Array(12) }
    for (const forged of [bench.allocation(guessed), bench.challenge(guessed), bench.error(guessed, 437)])
      bench.receive(forged)
    expect(bench.events).toEqual([])
    expect(bench.drops).toEqual({ 'answers no request': 3 })
  })

  it('knows the password: what it did not seal is no success', () => {
    const bench = new TurnBench()
    const request = bench.challenged()
    const fill = (w: MessageWriter) => w.xorAddress(turnAttribute.xorRelayedAddress, stranger)
    bench.receive(bench.success(request, fill, longTermKey('alice', realm, 'guessed')))
    expect(bench.events).toEqual([])
    bench.receive(bench.allocation(request))
    expect(bench.events).toMatchObject([{ type: 'allocated', relayed: [relayed] }])
  })

  it.each([300, 403, 437, 441, 486, 508])(
    'ends with an unsealed %d what its true answer, which comes later, gives',
    (code) => {
      const bench = new TurnBench()
      const request = bench.challenged()
      bench.receive(bench.unsealedError(request, code, (w) => w.address(attribute.alternateServer, stranger)))
      expect(bench.sent()).toEqual([])
      bench.advance(150)
      bench.receive(bench.allocation(request))
      expect(bench.events).toMatchObject([{ type: 'allocated' }])
    },
  )

  it('but an unsealed error that no better answer follows is told in the end', () => {
    const bench = new TurnBench()
    bench.receive(bench.unsealedError(bench.challenged(), 486))
    bench.advance(3_400)
    expect(failure(bench)).toMatchObject({ code: 486 })
  })

  describe('ends a relay in use', () => {
    const refreshing = () => {
      const bench = new TurnBench().allocated()
      bench.advance(540_000)
      const refresh = bench.messages().find((message) => message.method === method.refresh)!
      return { bench, refresh }
    }

    it.each([
      ['401', (bench: TurnBench, m: StunMessage) => bench.challenge(m)],
      [
        '438 of another realm',
        (bench: TurnBench, m: StunMessage) =>
          bench.unsealedError(m, 438, (w) => w.text(attribute.realm, 'evil').text(attribute.nonce, 'evil')),
      ],
      ['437', (bench: TurnBench, m: StunMessage) => bench.unsealedError(m, 437)],
    ])('with a forged %s, when the server answers as well', (_name, forge) => {
      const { bench, refresh } = refreshing()
      bench.receive(forge(bench, refresh))
      bench.receive(bench.success(refresh, zero))
      bench.advance(45_000)
      expect(failure(bench)).toBeUndefined()
    })

    it('with a forged nonce: the server tells a new one', () => {
      const { bench, refresh } = refreshing()
      bench.receive(bench.challenge(refresh, 438, 'forged'))
      bench.receive(bench.challenge(bench.request(), 438, 'genuine'))
      const again = bench.request()
      expect(readText(again, attribute.nonce)).toBe('genuine')
      bench.receive(bench.success(again, zero))
      bench.advance(45_000)
      expect(failure(bench)).toBeUndefined()
    })

    it('but a 401 that nothing better follows is believed in the end: the credentials are over', () => {
      const { bench, refresh } = refreshing()
      bench.receive(bench.challenge(refresh))
      bench.advance(40_000)
      expect(failure(bench)).toMatchObject({ code: 401 })
    })
  })

  it('sends data in its name', () => {
    const bench = new TurnBench().allocated()
    bench.client.send(0, data, peer)
    bench.receive(bench.success(bench.messages()[0]!))
    const indication = new MessageWriter('indication', method.data, new Uint8Array(12))
      .xorAddress(turnAttribute.xorPeerAddress, peer)
      .octets(turnAttribute.data, data)
      .finish()
    bench.receive(writeChannelData(0x4000, data, false), stranger)
    bench.receive(indication, stranger)
    expect(bench.events).toEqual([])
    bench.receive(writeChannelData(0x4000, data, false))
    bench.receive(indication)
    expect(bench.events).toMatchObject([
      { type: 'data', from: peer },
      { type: 'data', from: peer },
    ])
  })

  it('and the server only data of peers that were permitted, on channels that were bound', () => {
    const bench = new TurnBench().allocated()
    bench.receive(writeChannelData(0x4001, data, false))
    bench.receive(Uint8Array.of(0x40, 0, 0, 9, 1))
    bench.receive(
      new MessageWriter('indication', method.data, new Uint8Array(12))
        .xorAddress(turnAttribute.xorPeerAddress, peer)
        .octets(turnAttribute.data, data)
        .finish(),
    )
    expect(bench.events).toEqual([])
    expect(bench.drops).toEqual({
      'ChannelData of no channel of ours': 2,
      'from a peer without permission': 1,
    })
  })
})
