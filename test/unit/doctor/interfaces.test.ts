// Which addresses take part in calls, and why the others do not.
import { describe, expect, test } from 'vitest'
import { interfaceFinding } from '../../../src/doctor/wording.ts'
import type { NetworkInterface } from '../../../src/runtime/runtime.ts'

const at = (name: string, address: string, more: Partial<NetworkInterface> = {}): NetworkInterface => ({
  name,
  address,
  family: address.includes(':') ? 6 : 4,
  loopback: name === 'lo',
  ...more,
})
const machine = [
  at('lo', '127.0.0.1'),
  at('eth0', '192.168.1.2'),
  at('eth0', 'fe80::1'),
  at('eth0', '2001:db8::2'),
  at('docker0', '172.17.0.1'),
  at('eth1', '169.254.7.7'),
]

describe('interfaces', () => {
  test('what is left out is told with its reason', () => {
    expect(interfaceFinding(machine, '192.168.1.2', undefined)).toMatchObject({
      mark: 'ok',
      fact:
        'IPv4 and IPv6: 192.168.1.2 (eth0), 2001:db8::2 (eth0); left out: 172.17.0.1 (docker0: bridge of ' +
        'containers or virtual machines), 169.254.7.7 (eth1: link-local)',
      data: { addresses: ['192.168.1.2', '2001:db8::2'] },
    })
  })

  test('towards a server on a bridge the bridge takes part', () => {
    const { data } = interfaceFinding(machine, '172.17.0.1', undefined)
    expect(data).toMatchObject({ addresses: ['172.17.0.1', '192.168.1.2', '2001:db8::2'] })
  })

  test('those that are named, and no others', () => {
    const { fact, data } = interfaceFinding(machine, '192.168.1.2', ['docker0'])
    expect(data).toMatchObject({ addresses: ['172.17.0.1'] })
    expect(fact).toContain('192.168.1.2 (eth0: not among the interfaces named)')
    expect(interfaceFinding(machine, '192.168.1.2', ['eth7'])).toMatchObject({
      mark: 'problem',
      fact: 'this machine has no usable address on eth7',
    })
  })

  test('a machine in no network', () => {
    expect(interfaceFinding([at('lo', '127.0.0.1')], undefined, undefined).mark).toBe('problem')
  })
})
