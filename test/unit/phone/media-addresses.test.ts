import { describe, expect, test } from 'vitest'
import { Phone, UsageError } from '../../../src/index.ts'
import { checkInterfaces, mediaAddresses } from '../../../src/phone/media-addresses.ts'

const iface = (name: string, address: string, loopback = false) => ({
  name,
  address,
  family: address.includes(':') ? (6 as const) : (4 as const),
  loopback,
})

test('the address of signalling first, then others; no loopback, bridges or link-local', () => {
  const interfaces = [
    iface('lo', '127.0.0.1', true),
    iface('docker0', '172.17.0.1'),
    iface('eth1', '2001:db8::5'),
    iface('eth1', 'fe80::1'),
    iface('wlan0', '10.0.0.7'),
    iface('eth0', '192.0.2.5'),
  ]
  expect(mediaAddresses(interfaces, '192.0.2.5')).toEqual(['192.0.2.5', '10.0.0.7', '2001:db8::5'])
  expect(mediaAddresses(interfaces, '127.0.0.1')[0]).toBe('127.0.0.1')
  expect(mediaAddresses(interfaces, '172.17.0.1')[0]).toBe('172.17.0.1')
})

describe('of the IPv6 addresses of one interface in one network', () => {
  const stable = iface('eth0', '2001:db8:1:2:8f3a:11ff:1234:9')
  const fromHardware = iface('eth0', '2001:db8:1:2:0211:22ff:fe33:4455')
  const temporary = { ...iface('eth0', '2001:db8:1:2:1234:5678:9abc:def0'), temporary: true }
  const old = { ...iface('eth0', '2001:db8:1:2:aaaa:bbbb:cccc:dddd'), temporary: true, deprecated: true }
  const v4 = iface('eth0', '192.0.2.5')

  test('one stands for all: a temporary one, else one that does not tell which machine this is (RFC 8445 5.1.1.1)', () => {
    expect(mediaAddresses([v4, fromHardware, old, stable, temporary], v4.address)).toEqual([
      v4.address,
      temporary.address,
    ])
    expect(mediaAddresses([v4, fromHardware, stable], v4.address)).toEqual([v4.address, stable.address])
    expect(mediaAddresses([v4, fromHardware], v4.address)).toEqual([v4.address, fromHardware.address])
  })

  test('what signalling uses is that one', () => {
    for (const { address } of [stable, fromHardware, old])
      expect(mediaAddresses([stable, fromHardware, temporary, old], address)).toEqual([address])
  })

  test('other networks and other interfaces have their own; deprecated, site-local and compatible ones are left out', () => {
    const other = iface('eth0', '2001:db8:1:3::9')
    const wifi = iface('wlan0', '2001:db8:1:2::9')
    const unusable = [old, iface('eth0', 'fec0::1'), iface('eth0', '::192.0.2.9'), iface('eth0', 'fe80::1')]
    expect(mediaAddresses([stable, other, wifi, ...unusable], stable.address)).toEqual([
      stable.address,
      other.address,
      wifi.address,
    ])
  })
})

describe('interfaces that are named', () => {
  const machine = [
    iface('lo', '127.0.0.1', true),
    iface('eth0', '192.0.2.5'),
    iface('docker0', '172.17.0.1'),
    iface('wg0', '10.8.0.2'),
  ]

  test('are used, whatever they are, and no others', () => {
    expect(mediaAddresses(machine, '192.0.2.5', ['docker0', '10.8.0.2'])).toEqual(['172.17.0.1', '10.8.0.2'])
    expect(mediaAddresses(machine, '192.0.2.5', ['wg0', 'eth0'])).toEqual(['192.0.2.5', '10.8.0.2'])
    expect(mediaAddresses(machine, '127.0.0.1', ['eth0'])).toEqual(['192.0.2.5'])
  })

  test('that are not there are told of in a sentence', () => {
    expect(() => checkInterfaces(['eth7'], machine)).toThrow(
      'there is no network interface eth7: this machine has lo, eth0, docker0, wg0; give such a name or an address',
    )
    expect(() => checkInterfaces(['eth7', 'eth0'], machine)).not.toThrow()
  })
})

test('a machine with very many addresses offers a bounded number', () => {
  const many = Array.from({ length: 40 }, (_, i) => iface('eth0', `10.0.0.${i + 1}`))
  expect(mediaAddresses(many, '10.0.0.1')).toHaveLength(8)
})

test.each(['tel:123', 'mailto:bob@pbx.example'])(
  '%s is refused in words, and nothing is looked up',
  async (target) => {
    const phone = await Phone.start({ listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }] })
    try {
      await expect(phone.call(target)).rejects.toThrow(UsageError)
    } finally {
      await phone.stop()
    }
  },
)
