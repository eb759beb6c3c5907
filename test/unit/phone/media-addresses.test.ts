import { expect, test } from 'vitest'
import { Phone, UsageError } from '../../../src/index.ts'
import { mediaAddresses } from '../../../src/phone/media-addresses.ts'

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

test('a machine with very many addresses offers a bounded number', () => {
  const many = Array.from({ length: 40 }, (_, i) => iface('eth0', `10.0.0.${i + 1}`))
  expect(mediaAddresses(many, '10.0.0.1')).toHaveLength(8)
})

test.each(['tel:123', 'sips:bob@pbx.example', 'mailto:bob@pbx.example'])(
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
