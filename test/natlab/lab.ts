// One internet and any number of homes on it, made of network namespaces and the kernel's own routing: what a simulator
// cannot prove. Lives inside the namespace that test/interop/namespace makes: no root is needed, and what is left dies with it.
//
//   client - (home router - carrier) -+                       +- coturn 203.0.113.11 .12, 2001:db8::11
//   client - router ------------------+- core: delays each    +- kamailio .13, 2001:db8::13
//   client - router ------------------+  packet by `delayMs` -+- proxy .14 - asterisk .10
//
// Home n has 192.168.n.0/24 inside and 203.0.113.n outside (2001:db8:n::/64 where it speaks IPv6). A host with an address of
// its own on every cable needs no subnet: cables are link-local. The core drops private destinations without a word, because
// an ICMP error would end a TURN allocation. One namespace a server, because some offer every address of theirs.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Scene } from '../interop/case.ts'
import {
  type KernelRouter,
  type Network,
  type NetworkName,
  networkOf,
  places,
  type UserNat,
} from './networks.ts'
import { isKernelRouter, ruleset } from './ruleset.ts'

export type Server = 'asterisk' | 'coturn' | 'kamailio' | 'proxy'

const servers: Record<Server, { 4: readonly string[]; 6?: string }> = {
  asterisk: { 4: [places.asterisk] },
  coturn: { 4: [places.coturn[4], places.coturnAlternate], 6: places.coturn[6] },
  kamailio: { 4: [places.kamailio[4]], 6: places.kamailio[6] },
  proxy: { 4: [places.proxy] },
}

/** One way, once for every crossing of the core: 60 ms a round trip between any two hosts. */
const defaultDelayMs = 30

/** Both ends of every cable carry these beside what they are known by. */
const link = { 4: { core: '169.254.0.1', far: '169.254.0.2' }, 6: { core: 'fe80::1', far: 'fe80::2' } }

const firstHome = 101
const lastHome = 254

/** The words to put before a command so that it runs on a host of the lab. */
export const on = (host: string): string[] => ['ip', 'netns', 'exec', host]

export interface Home {
  /** Also the name of the client's namespace. */
  readonly name: string
  readonly kind: NetworkName
  readonly network: Network
  /** Of the client, and what the world sees of it. */
  readonly inside: string
  readonly outside: string
  readonly inside6: string
  readonly router: string
}

export class Lab {
  private readonly homes = new Map<string, Home>()
  private readonly namespaces: string[] = []
  private readonly processes: ChildProcess[] = []

  private lastNumber = firstHome - 1

  private constructor() {}

  /** The core and the servers' hosts, taken down when the scene ends. */
  static async build(scene: Pick<Scene, 'onEnd'>, { delayMs = defaultDelayMs } = {}): Promise<Lab> {
    const lab = new Lab()
    scene.onEnd(() => lab.end())
    lab.add('core', true)
    shell(`ip netns exec core sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
      ip -n core route add blackhole default
      ip -n core route add blackhole 192.168.0.0/16
      ip -n core route add blackhole 100.64.0.0/10`)
    for (const [name, own] of Object.entries(servers)) lab.addServer(name, own)
    if (delayMs > 0) await lab.delay(delayMs)
    return lab
  }

  /** A home of that kind; the name is new. */
  async addHome(name: string, kind: NetworkName): Promise<Home> {
    const number = this.nextNumber()
    const network = networkOf(kind)
    const publicIpv4 = network.theory.mapping === 'none'
    const home: Home = {
      name,
      kind,
      network,
      inside: publicIpv4 ? `203.0.113.${number}` : `192.168.${number}.2`,
      outside: `203.0.113.${number}`,
      inside6: `2001:db8:${number}::2`,
      router: `${name}-router`,
    }
    this.homes.set(name, home)
    const ipv6 = network.theory.families.includes(6)
    this.add(name, ipv6)
    this.add(home.router, ipv6)
    shell(clientScript(home, number))
    const natAt = network.carrier ? `${name}-carrier` : home.router
    if (network.carrier) {
      this.add(natAt, false)
      shell(carrierScript(home, number, natAt))
    }
    shell(outsideScript(home, number, natAt))
    if (isKernelRouter(network.access)) shell(kernelScript(home, network.access))
    const nat = network.carrier ?? (isKernelRouter(network.access) ? undefined : network.access)
    if (nat) await this.translate(home, natAt, nat, network.carrier ? '100.64.0.0/10' : '192.168.0.0/16')
    return home
  }

  /** Another client behind the home's router, in a network of its own: guests do not see the LAN. */
  addGuest(home: Home, name: string): Home {
    const number = this.nextNumber()
    const guest: Home = { ...home, name, inside: `192.168.${number}.2` }
    this.add(name, false)
    shell(clientScript(guest, number, { routerSide: 'inside2' }))
    if (!isKernelRouter(home.network.access))
      shell(`ip -n ${home.router} rule add pref 10 iif inside2 lookup 100`)
    return guest
  }

  /** The provider gives the home's own router another address: what was sent to the old one is lost, and so is every mapping. */
  renumber({ name, router, outside }: Home): string {
    const number = this.nextNumber()
    const renumbered = `203.0.113.${number}`
    const cable = `home-${outside.split('.')[3]}`
    shell(`ip -n core route add ${renumbered}/32 via ${link[4].far} dev ${cable} onlink
      ip -n core route delete ${outside}/32
      ip -n ${router} address add ${renumbered}/32 dev outside
      ip -n ${router} address delete ${outside}/32 dev outside
      ip netns exec ${router} conntrack -F 2>&1`)
    this.homes.set(name, { ...this.homes.get(name)!, outside: renumbered })
    return renumbered
  }

  /** A second way out for the client, through a Linux router of its own, used where the first is down. */
  addUplink(home: Home): void {
    const number = this.nextNumber()
    const second: Home = {
      ...home,
      inside: `192.168.${number}.2`,
      outside: `203.0.113.${number}`,
      router: `${home.name}-router2`,
    }
    this.add(second.router, false)
    shell(clientScript(second, number, { interfaceName: 'eth1', metric: 100 }))
    shell(outsideScript(second, number, second.router))
    shell(kernelScript(second, home.network.access as KernelRouter))
  }

  /** Takes an interface of the client away, or gives it back with what it had. */
  setInterface({ name, inside }: Home, interfaceName: 'eth0', state: 'up' | 'gone'): void {
    const [, , number] = inside.split('.')
    shell(
      state === 'gone'
        ? `ip -n ${name} link set ${interfaceName} down\nip -n ${name} address flush dev ${interfaceName}`
        : `ip -n ${name} link set ${interfaceName} up
           ip -n ${name} address add ${inside}/24 dev ${interfaceName}
           ip -n ${name} route add default via 192.168.${number}.1`,
    )
  }

  /** Nothing passes between the home and the internet while its cable is down; both ends keep their addresses. */
  setCable({ outside }: Home, state: 'up' | 'down'): void {
    const cable = `home-${outside.split('.')[3]}`
    shell(
      `ip -n core link set ${cable} ${state}${
        state === 'up'
          ? `\nip -n core route replace ${outside}/32 via ${link[4].far} dev ${cable} onlink`
          : ''
      }`,
    )
  }

  /** How long the home's Linux router remembers UDP that nobody sends any more. */
  setUdpTimeout({ router }: Home, seconds: number): void {
    shell(udpTimeout(router, seconds))
  }

  /** Every mapping of the home's routers is forgotten, as when they are switched off and on. */
  forgetMappings(home: Home): void {
    if (isKernelRouter(home.network.access)) shell(`ip netns exec ${home.router} conntrack -F 2>&1`)
    for (const child of this.processes) if (child.spawnargs.includes(home.outside)) child.kill('SIGHUP')
  }

  private nextNumber(): number {
    if (this.lastNumber === lastHome) throw new Error('the lab has no address left for another home')
    return ++this.lastNumber
  }

  private add(name: string, ipv6: boolean): void {
    this.namespaces.push(name)
    shell(`ip netns add ${name}
      ip -n ${name} link set lo up
      ip netns exec ${name} sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
        net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
        net.ipv6.conf.all.disable_ipv6=${ipv6 ? 0 : 1} net.ipv6.conf.default.disable_ipv6=${ipv6 ? 0 : 1}`)
  }

  private addServer(name: string, own: { 4: readonly string[]; 6?: string }): void {
    this.add(name, own[6] !== undefined)
    const cable = `to-${name}`
    shell(
      [
        cableScript(cable, name, 'eth0', own[6] !== undefined),
        ...own[4].flatMap((address) => [
          `ip -n ${name} address add ${address}/32 dev eth0`,
          `ip -n core route add ${address}/32 via ${link[4].far} dev ${cable} onlink`,
        ]),
        ...(own[6] === undefined
          ? []
          : [
              `ip -n ${name} address add ${own[6]}/128 dev eth0`,
              `ip -n core route add ${own[6]}/128 via ${link[6].far} dev ${cable}`,
            ]),
        defaultRoute(name, 'eth0', own[4][0]!, own[6]),
      ].join('\n'),
    )
  }

  /** What the core forwards goes through delay.py; only its own traffic and what comes back from there is routed at once. */
  private async delay(delayMs: number): Promise<void> {
    await this.runHelper('core', 'delay.py', ['delay', String(delayMs)])
    const rules = [4, 6].map(
      (family) => `ip -n core -${family} rule add pref 10 iif delay lookup main
        ip -n core -${family} rule add pref 11 iif lo lookup main
        ip -n core -${family} rule add pref 12 lookup 100
        ip -n core -${family} route add default dev delay table 100`,
    )
    shell(`ip -n core link set delay mtu 9000 up\n${rules.join('\n')}`)
  }

  /** Everything between inside and outside goes through nat.py; the outside address belongs to it, not to the kernel. */
  private async translate(home: Home, at: string, nat: UserNat, insidePrefix: string): Promise<void> {
    const expiry = nat.expirySeconds === undefined ? [] : [String(nat.expirySeconds)]
    const words = ['nat', insidePrefix, home.outside, nat.mapping, nat.filtering, nat.ports, ...expiry]
    await this.runHelper(at, 'nat.py', words)
    shell(`ip -n ${at} link set nat mtu 9000 up
      ip -n ${at} route add ${home.outside}/32 dev nat
      ip -n ${at} rule add pref 10 iif inside lookup 100
      ip -n ${at} route add default dev nat table 100
      ip -n ${at} route add blackhole 192.168.0.0/16 table 100`)
  }

  private async runHelper(namespace: string, script: string, args: readonly string[]): Promise<void> {
    const [program, ...before] = on(namespace)
    const words = [...before, python, '-B', join(import.meta.dirname, script), ...args]
    const child = spawn(program!, words, {
      env: { ...process.env, PATH: toolPath },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.processes.push(child)
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${script} ended with ${code} before it was ready`)
    })
    ended.catch(() => undefined)
    await Promise.race([once(child.stdout, 'data'), ended])
    child.stdout.resume()
  }

  private end(): void {
    for (const child of this.processes) child.kill('SIGKILL')
    shell(this.namespaces.map((name) => `ip netns delete ${name} 2>/dev/null || true`).join('\n'))
  }
}

const toolPath = `${process.env['PATH']}:/usr/sbin:/sbin`
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

/** Runs commands in the namespace of the lab; `ip -n NAME` and `ip netns exec NAME` reach its hosts. */
function shell(script: string): void {
  execFileSync('sh', ['-euc', script], {
    env: { ...process.env, PATH: toolPath },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** A cable from the core to an interface of another namespace; both ends have their link-local addresses. */
const cableScript = (cable: string, far: string, interfaceName: string, ipv6: boolean): string => `
  ip link add ${cable} netns core type veth peer name ${interfaceName} netns ${far}
  ip -n core address add ${link[4].core}/32 dev ${cable} scope link
  ip -n ${far} address add ${link[4].far}/32 dev ${interfaceName} scope link
  ip -n core link set ${cable} up
  ip -n ${far} link set ${interfaceName} up
  ${
    ipv6
      ? `ip -n core address add ${link[6].core}/64 dev ${cable} nodad
         ip -n ${far} address add ${link[6].far}/64 dev ${interfaceName} nodad`
      : ''
  }`

const defaultRoute = (
  name: string,
  via: string,
  source4: string | undefined,
  source6: string | undefined,
): string =>
  [
    source4 && `ip -n ${name} route add default via ${link[4].core} dev ${via} onlink src ${source4}`,
    source6 && `ip -n ${name} -6 route add default via ${link[6].core} dev ${via} src ${source6}`,
  ]
    .filter(Boolean)
    .join('\n')

/** The client, its cable to the router, and the router's inside. */
function clientScript(
  { name, router, inside, inside6, network }: Home,
  number: number,
  { interfaceName = 'eth0', metric = 0, routerSide = 'inside' } = {},
): string {
  const { families, mapping } = network.theory
  const ipv4 =
    mapping === 'none'
      ? // An address of the internet, routed to the client.
        `ip -n ${router} address add 169.254.1.1/32 dev ${routerSide} scope link
         ip -n ${name} address add ${inside}/32 dev ${interfaceName}
         ip -n ${name} route add default via 169.254.1.1 dev ${interfaceName} onlink
         ip -n ${router} route add ${inside}/32 dev ${routerSide}`
      : `ip -n ${router} address add 192.168.${number}.1/24 dev ${routerSide}
         ip -n ${name} address add ${inside}/24 dev ${interfaceName}
         ip -n ${name} route add default via 192.168.${number}.1 metric ${metric}`
  const ipv6 = `ip netns exec ${router} sysctl -qw net.ipv6.conf.all.forwarding=1
    ip -n ${router} address add 2001:db8:${number}::1/64 dev ${routerSide} nodad
    ip -n ${name} address add ${inside6}/64 dev ${interfaceName} nodad
    ip -n ${name} route add default via 2001:db8:${number}::1`
  return `ip link add ${interfaceName} netns ${name} type veth peer name ${routerSide} netns ${router}
    ip -n ${name} link set ${interfaceName} up
    ip -n ${router} link set ${routerSide} up
    ip netns exec ${router} sysctl -qw net.ipv4.ip_forward=1
    ${families.includes(4) ? ipv4 : ''}
    ${families.includes(6) ? ipv6 : ''}`
}

/** The carrier's router between the home's and the core. */
const carrierScript = ({ router }: Home, number: number, carrier: string): string => `
  ip link add inside netns ${carrier} type veth peer name outside netns ${router}
  ip -n ${carrier} address add 100.64.${number}.1/24 dev inside
  ip -n ${router} address add 100.64.${number}.2/24 dev outside
  ip -n ${carrier} link set inside up
  ip -n ${router} link set outside up
  ip -n ${router} route add default via 100.64.${number}.1
  ip netns exec ${carrier} sysctl -qw net.ipv4.ip_forward=1`

/** The cable from the outermost router to the core. A public address stays with the client, one of nat.py's with that. */
function outsideScript({ outside, network }: Home, number: number, outermost: string): string {
  const { families, mapping } = network.theory
  const [ipv4, ipv6] = [families.includes(4), families.includes(6)]
  const cable = `home-${number}`
  const own = mapping !== 'none' && !network.carrier && isKernelRouter(network.access)
  return [
    cableScript(cable, outermost, 'outside', ipv6),
    ipv4 && `ip -n core route add ${outside}/32 via ${link[4].far} dev ${cable} onlink`,
    own && `ip -n ${outermost} address add ${outside}/32 dev outside`,
    ipv4 && `ip -n ${outermost} route add default via ${link[4].core} dev outside onlink`,
    ipv6 && `ip -n core -6 route add 2001:db8:${number}::/64 via ${link[6].far} dev ${cable}`,
    ipv6 && `ip -n ${outermost} -6 route add default via ${link[6].core} dev outside`,
    network.mtu && `ip -n core link set ${cable} mtu ${network.mtu}`,
    network.mtu && `ip -n ${outermost} link set outside mtu ${network.mtu}`,
    // What the router itself cuts into pieces is dropped behind it.
    isKernelRouter(network.access) && network.access.dropFragments && nft('core', dropFragmentsFrom(cable)),
  ]
    .filter((line) => typeof line === 'string')
    .join('\n')
}

const dropFragmentsFrom = (cable: string): string => `table ip ${cable} {
  chain prerouting {
    type filter hook prerouting priority -450
    iifname "${cable}" ip frag-off & 0x3fff != 0 drop
  }
}`

const kernelScript = ({ router }: Home, access: Parameters<typeof ruleset>[0]): string => {
  const seconds = access.udpTimeoutSeconds
  return `${nft(router, ruleset(access))}\n${seconds === undefined ? '' : udpTimeout(router, seconds)}`
}

const udpTimeout = (router: string, seconds: number): string =>
  `ip netns exec ${router} sysctl -qw net.netfilter.nf_conntrack_udp_timeout=${seconds} \
     net.netfilter.nf_conntrack_udp_timeout_stream=${seconds}`

/** A here-document ends with a line of its own. */
const nft = (namespace: string, rules: string): string =>
  `ip netns exec ${namespace} nft -f - <<'RULES'\n${rules}\nRULES`
