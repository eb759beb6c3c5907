// Which connection a hop may take (RFC 5923, RFC 5922): by protocol, address and name.
import { describe, expect, test } from 'vitest'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import type { TlsPeer } from '../../../src/runtime/runtime.ts'
import type { ConnectionFlow } from '../../../src/sip/connection-flow.ts'
import type { Protocol } from '../../../src/sip/flow.ts'
import { FlowTable } from '../../../src/sip/flow-table.ts'

const peer = (verified: boolean, ...dnsNames: string[]): TlsPeer => ({
  verified,
  names: { uris: [], dnsNames, addresses: [] },
})

function flow(
  protocol: Protocol,
  remote: TransportAddress,
  more: { serverName?: string; tls?: TlsPeer; incoming?: boolean } = {},
): ConnectionFlow & { open: boolean } {
  const place = { address: '192.0.2.1', port: 5060 }
  return {
    protocol,
    local: place,
    sentBy: place,
    remote,
    open: true,
    lastUsed: 0,
    incoming: false,
    send: () => undefined,
    close: () => undefined,
    abort: () => undefined,
    ...more,
  }
}

const server = { address: '192.0.2.9', port: 5061 }
const client = { address: '192.0.2.8', port: 40_000 }

describe('over TLS', () => {
  test('a connection serves the name it was opened for, and what else its certificate names', () => {
    const table = new FlowTable()
    const opened = flow('tls', server, { serverName: 'a.example', tls: peer(true, 'a.example', 'b.example') })
    table.add(opened)
    expect(table.find('tls', server, 'a.example')).toBe(opened)
    expect(table.find('tls', server, 'b.example')).toBe(opened)
    expect(table.find('tls', server, 'c.example')).toBeUndefined()
    expect(table.find('tcp', server)).toBeUndefined()
  })

  test('an unverified certificate serves the one name that was asked for', () => {
    const table = new FlowTable()
    table.add(flow('tls', server, { serverName: 'a.example', tls: peer(false, 'b.example') }))
    expect(table.find('tls', server, 'a.example')).toBeDefined()
    expect(table.find('tls', server, 'b.example')).toBeUndefined()
  })

  test('a client without a certificate is reached where it came from, by address alone', () => {
    const table = new FlowTable()
    table.add(flow('tls', client, { incoming: true, tls: { verified: false } }))
    expect(table.find('tls', client, client.address)).toBeDefined()
    expect(table.find('tls', client, 'a.example')).toBeUndefined()
  })

  test('an alias is for verified peers alone, and for the names they have', () => {
    const listens = { address: client.address, port: 5061 }
    for (const [verified, found] of [
      [true, true],
      [false, false],
    ] as const) {
      const table = new FlowTable()
      const incoming = flow('tls', client, { incoming: true, tls: peer(verified, 'phone.example') })
      table.add(incoming)
      table.alias(incoming, listens)
      expect(table.find('tls', listens, 'phone.example') === incoming).toBe(found)
      expect(table.find('tls', listens, 'other.example')).toBeUndefined()
      expect(table.find('tls', listens, client.address)).toBeUndefined()
    }
  })
})

test('there is no alias over TCP: nothing says who it is', () => {
  const table = new FlowTable()
  const incoming = flow('tcp', client, { incoming: true })
  table.add(incoming)
  table.alias(incoming, { address: client.address, port: 5060 })
  expect(table.find('tcp', { address: client.address, port: 5060 })).toBeUndefined()
})

test('";transport=ws" finds a WebSocket over TLS, and never the other way round', () => {
  const table = new FlowTable()
  const secure = flow('wss', server, { serverName: 'a.example', tls: peer(true, 'a.example') })
  table.add(secure)
  expect(table.find('ws', server)).toBe(secure)
  table.remove(secure)
  table.add(flow('ws', server))
  expect(table.find('wss', server, 'a.example')).toBeUndefined()
})

test('the first to call itself by a name has it, for as long as it is there', () => {
  const table = new FlowTable()
  const [first, second] = [flow('ws', client, { incoming: true }), flow('ws', server, { incoming: true })]
  for (const each of [first, second]) {
    table.add(each)
    table.name(each, 'abc.invalid')
  }
  expect(table.findNamed('abc.invalid')).toBe(first)
  table.remove(first)
  expect(table.findNamed('abc.invalid')).toBeUndefined()
})

test('what is gone, closed, or counted', () => {
  const table = new FlowTable()
  const incoming = flow('tcp', client, { incoming: true })
  table.add(incoming)
  expect(table.countFrom(client.address)).toBe(1)
  incoming.open = false
  expect(table.find('tcp', client)).toBeUndefined()
  expect(table.remove(incoming)).toBe(true)
  expect(table.remove(incoming)).toBe(false)
  expect([table.size, table.countFrom(client.address)]).toEqual([0, 0])
})
