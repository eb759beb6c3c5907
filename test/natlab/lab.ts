// Two homes on one internet, made of network namespaces and the kernel's own NATs: what a simulator cannot prove.
//
//   left 192.168.101.2 - router .101 -+                       +- router .102 - 192.168.102.2 right
//                                     +- 203.0.113.0/24 (core) +
//                asterisk .10 - coturn .11 .12 - kamailio .13 -+
//
// Lives inside the namespace that test/interop/namespace makes: no root is needed, and what is left dies with it. Every
// host has a default route to the core, which forwards nothing and says nothing: an ICMP error would end a TURN
// allocation. One namespace a server, because some offer every address of theirs. Left out: IPv6, loss, CGN.
import { execFileSync } from 'node:child_process'
import type { Scene } from '../interop/case.ts'

/** What the router of a home does; the mapping and filtering are RFC 4787's, as an RFC 5780 probe sees them. */
export type NatKind = 'port-restricted' | 'symmetric' | 'full cone' | 'address-restricted' | 'UDP blocked'
export type Home = 'left' | 'right'
export type Host = Home | 'asterisk' | 'coturn' | 'kamailio'

const homes = {
  left: { router: '203.0.113.101', gateway: '192.168.101.1', client: '192.168.101.2' },
  right: { router: '203.0.113.102', gateway: '192.168.102.1', client: '192.168.102.2' },
} as const
const servers = {
  asterisk: ['203.0.113.10'],
  coturn: ['203.0.113.11', '203.0.113.12'],
  kamailio: ['203.0.113.13'],
} as const
const core = '203.0.113.1'
const sides = ['left', 'right'] as const

/** The addresses of the lab, for expectations. */
export const addresses = { homes, servers }

const toolPath = `${process.env['PATH']}:/usr/sbin:/sbin`

/** Builds the lab, and takes it down when the row ends. */
export function buildLab(scene: Scene, kinds: Record<Home, NatKind>): void {
  const names = ['core', ...sides, ...sides.map(routerOf), ...Object.keys(servers)]
  scene.onEnd(() => {
    for (const name of names) shell(`ip netns delete ${name} 2>/dev/null || true`)
  })
  shell(names.map((name) => `ip netns add ${name}`).join('\n'))
  for (const name of names) inside(name, 'ip link set lo up\nsysctl -qw net.ipv6.conf.all.disable_ipv6=1')
  inside('core', coreScript())
  for (const [name, own] of Object.entries(servers)) inside(name, serverScript(own))
  for (const side of sides) {
    inside(routerOf(side), routerScript(side))
    inside(side, clientScript(side))
    inside(routerOf(side), natScript(kinds[side], homes[side].client))
  }
}

/** The words to put before a command so that it runs on a host of the lab. */
export const on = (host: Host): string[] => ['ip', 'netns', 'exec', host]

const routerOf = (side: Home): string => `${side}-router`

function shell(script: string): void {
  execFileSync('sh', ['-euc', script], {
    env: { ...process.env, PATH: toolPath },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

const inside = (name: string, script: string): void => {
  execFileSync('ip', ['netns', 'exec', name, 'sh', '-euc', script], {
    env: { ...process.env, PATH: toolPath },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** A cable from the core's bridge to an interface of another namespace. */
const cable = (name: string, far: string): string =>
  `ip link add to-${name} type veth peer name ${far} netns ${name}\nip link set to-${name} master bridge up`

const coreScript = (): string =>
  [
    `ip link add bridge type bridge\nip link set bridge up\nip address add ${core}/24 dev bridge`,
    ...Object.keys(servers).map((name) => cable(name, 'eth0')),
    ...sides.map((side) => cable(routerOf(side), 'outside')),
  ].join('\n')

const serverScript = (own: readonly string[]): string =>
  [
    'ip link set eth0 up',
    ...own.map((address) => `ip address add ${address}/24 dev eth0`),
    `ip route add default via ${core}`,
  ].join('\n')

const routerScript = (side: Home): string => {
  const { router, gateway } = homes[side]
  return `ip link add inside type veth peer name eth0 netns ${side}
    ip address add ${router}/24 dev outside
    ip address add ${gateway}/24 dev inside
    ip link set outside up
    ip link set inside up
    ip route add default via ${core}
    sysctl -qw net.ipv4.ip_forward=1`
}

const clientScript = (side: Home): string => {
  const { client, gateway } = homes[side]
  return `ip address add ${client}/24 dev eth0
    ip link set eth0 up
    ip route add default via ${gateway}`
}

const natScript = (kind: NatKind, client: string): string =>
  `nft -f - <<'RULES'\n${ruleset(kind, client)}\nRULES`

/** The behaviours as nft rules. The input chain matters: an unsolicited packet that reaches the router's own input makes
 *  a conntrack entry, which takes the tuple, and the NAT turns symmetric for that peer. */
function ruleset(kind: NatKind, client: string): string {
  const input = 'chain input { type filter hook input priority 0; iifname "outside" meta l4proto udp drop; }'
  const forward = (...rules: string[]): string =>
    `chain forward { type filter hook forward priority 0; ${[...rules, 'ct state established,related accept', 'iifname "inside" accept', 'drop'].join('; ')}; }`
  const masquerade = (how = ''): string =>
    `chain postrouting { type nat hook postrouting priority 100; oifname "outside" masquerade ${how}; }`
  const forwardToClient = (match: string): string =>
    `chain prerouting { type nat hook prerouting priority -100; iifname "outside" ${match} dnat to ${client}; }`
  const chains: Record<NatKind, readonly string[]> = {
    'port-restricted': [input, forward(), masquerade()],
    symmetric: [input, forward(), masquerade('random,fully-random')],
    'full cone': [forwardToClient('meta l4proto udp'), forward('ct status dnat accept'), masquerade()],
    'address-restricted': [
      'set seen { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 120s; }',
      'chain outbound { type filter hook forward priority -10; iifname "inside" meta l4proto udp update @seen { udp sport . ip daddr }; }',
      forwardToClient('meta l4proto udp udp dport . ip saddr @seen'),
      input,
      forward('ct status dnat accept'),
      masquerade(),
    ],
    'UDP blocked': [input, forward('meta l4proto udp drop'), masquerade()],
  }
  return `table ip nat-lab {\n${chains[kind].join('\n')}\n}`
}
