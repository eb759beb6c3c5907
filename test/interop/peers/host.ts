// A second machine beside the rows' own, at the far end of a cable: a network namespace with an address and a default route.
// For phones that take a machine with nothing but a loopback for one without a network. It knows IPv4 alone.
import { execFileSync } from 'node:child_process'
import type { Scene } from '../case.ts'
import { peerHost } from './process.ts'

export interface Host {
  readonly address: string
  /** The words to put before a command so that it runs there. */
  readonly on: readonly string[]
}

const name = 'beside'
const address = '10.99.0.3'

/** One at a time in the namespace of the rows. */
export function startHost(scene: Pick<Scene, 'onEnd'>): Host {
  const cable = `to-${name}`
  scene.onEnd(() => shell(`ip netns delete ${name}`))
  shell(`ip netns delete ${name} 2>/dev/null || true
    ip netns add ${name}
    ip link add ${cable} type veth peer name eth0 netns ${name}
    ip link set ${cable} addrgenmode none
    ip -n ${name} link set eth0 addrgenmode none
    ip link set ${cable} up
    ip -n ${name} link set lo up
    ip -n ${name} link set eth0 up
    ip route add ${address}/32 dev ${cable} src ${peerHost}
    ip -n ${name} address add ${address}/32 dev eth0
    ip -n ${name} route add default via ${peerHost} dev eth0 onlink src ${address}`)
  return { address, on: ['ip', 'netns', 'exec', name] }
}

const toolPath = `${process.env['PATH']}:/usr/sbin:/sbin`

function shell(script: string): void {
  execFileSync('sh', ['-euc', script], {
    env: { ...process.env, PATH: toolPath },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}
