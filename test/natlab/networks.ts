// The kinds of network of the lab: what each is in theory (RFC 4787's words, for the oracle) and how its routers are made.
// A home is a client behind an access router; behind a carrier there is a second router. What "Linux" stands in front of is
// the kernel's own NAT; the others are nat.py's, because no kernel does them.

/** What the outside sees of a home: all that the oracle knows. */
export interface Theory {
  readonly families: readonly (4 | 6)[]
  /** Of IPv4; 'none' where addresses are public. Several NATs in a row count as the strictest of them. */
  readonly mapping: 'none' | 'EIM' | 'APDM'
  readonly filtering: 'none' | 'EIF' | 'ADF' | 'APDF'
  /** The destinations that UDP reaches. */
  readonly udp: 'any' | 'ports 53 and 3478' | 'none'
  /** The destinations that TCP reaches. */
  readonly tcp: 'any' | 'port 443' | 'TLS on port 443' | 'CONNECT'
  /** A TCP connection may be opened to it from outside. */
  readonly tcpInbound: boolean
  /** An unsolicited packet takes the port: the next packet to its sender leaves from another one. */
  readonly unsolicitedTakesPort: boolean
}

/** A NAT of nat.py's. */
export interface UserNat {
  readonly mapping: 'EIM' | 'APDM'
  readonly filtering: 'EIF' | 'ADF' | 'APDF'
  readonly ports: 'preserve' | 'random' | 'sequential' | 'overloaded'
  readonly expirySeconds?: number
}

/** A router of the kernel's. */
export interface KernelRouter {
  readonly masquerade?: 'where it can, the same port' | 'fully-random'
  /** UDP from outside that nobody asked for reaches the router itself, unless dropped. */
  readonly input: 'dropped' | 'accepted'
  /** Everybody outside may open a connection to the client. */
  readonly open?: boolean
  /** Rules in front of the usual ones for what passes, in nft's words. */
  readonly forward?: readonly string[]
  readonly udpTimeoutSeconds?: number
  readonly dropFragments?: boolean
}

export interface Network {
  readonly theory: Theory
  readonly access: KernelRouter | UserNat
  readonly carrier?: UserNat
  readonly mtu?: number
  /** How SIP leaves: signalling to the lab's registrar is let through everywhere (see `signalling`). */
  readonly sip: 'udp' | 'tcp' | 'tcp on port 443'
}

/** Where SIP, STUN, TURN and CONNECT are served. */
export const places = {
  kamailio: { 4: '203.0.113.13', 6: '2001:db8::13' },
  coturn: { 4: '203.0.113.11', 6: '2001:db8::11' },
  coturnAlternate: '203.0.113.12',
  asterisk: '203.0.113.10',
  proxy: '203.0.113.14',
} as const

/** floe has no SIP over TLS or CONNECT: so that the media can be judged, SIP over TCP passes to the registrar alone. */
const signalling = `ip daddr ${places.kamailio[4]} meta l4proto tcp accept`

const publicIpv4: Theory = {
  families: [4],
  mapping: 'none',
  filtering: 'none',
  udp: 'any',
  tcp: 'any',
  tcpInbound: true,
  unsolicitedTakesPort: false,
}
const translated = (mapping: 'EIM' | 'APDM', filtering: 'EIF' | 'ADF' | 'APDF'): Theory => ({
  ...publicIpv4,
  mapping,
  filtering,
  tcpInbound: false,
})
const portRestricted = translated('EIM', 'APDF')

const linux: KernelRouter = { masquerade: 'where it can, the same port', input: 'dropped' }
const behindLinux = (theory: Partial<Theory>, router: Partial<KernelRouter> = {}): Network => ({
  theory: { ...portRestricted, ...theory },
  access: { ...linux, ...router },
  sip: 'udp',
})
const user = (nat: UserNat): Network => ({
  theory: translated(nat.mapping, nat.filtering),
  access: nat,
  sip: 'udp',
})
const carrier = (nat: UserNat): Network => ({
  theory: translated(nat.mapping, 'APDF'), // the home's own router filters
  access: linux,
  carrier: nat,
  sip: 'udp',
})
const restricted = (
  theory: Pick<Theory, 'udp' | 'tcp'>,
  sip: 'tcp' | 'tcp on port 443',
  ...forward: string[]
): Network => ({
  ...behindLinux(theory, { forward: [signalling, ...forward] }),
  sip,
})

/** What begins with a TLS record passes, what begins otherwise ends there; `@ih` is what TCP carries. */
const tlsOnly = [
  'iifname "inside" tcp dport 443 ct mark 1 accept',
  'iifname "inside" tcp dport 443 @ih,0,8 0x16 ct mark set 1 accept',
  'iifname "inside" tcp dport 443 @ih,0,8 != 0x16 drop',
  'iifname "inside" tcp dport 443 accept',
]

export const networks = {
  public: { theory: publicIpv4, access: { input: 'dropped', open: true }, sip: 'udp' },
  'public behind a firewall': {
    theory: { ...publicIpv4, filtering: 'APDF', tcpInbound: false },
    access: { input: 'dropped' },
    sip: 'udp',
  },
  'full cone': user({ mapping: 'EIM', filtering: 'EIF', ports: 'preserve' }),
  'address-restricted': user({ mapping: 'EIM', filtering: 'ADF', ports: 'preserve' }),
  'port-restricted': user({ mapping: 'EIM', filtering: 'APDF', ports: 'random' }),
  'Linux, input dropped': behindLinux({}),
  'Linux, input accepted': behindLinux({ unsolicitedTakesPort: true }, { input: 'accepted' }),
  'symmetric, random ports': user({ mapping: 'APDM', filtering: 'APDF', ports: 'random' }),
  'symmetric, sequential ports': user({ mapping: 'APDM', filtering: 'APDF', ports: 'sequential' }),
  'symmetric, overloaded ports': user({ mapping: 'APDM', filtering: 'APDF', ports: 'overloaded' }),
  'symmetric, Linux': behindLinux({ mapping: 'APDM' }, { masquerade: 'fully-random' }),
  'carrier EIM/EIF': carrier({ mapping: 'EIM', filtering: 'EIF', ports: 'random' }),
  'carrier EIM/APDF': carrier({ mapping: 'EIM', filtering: 'APDF', ports: 'random' }),
  'carrier symmetric': carrier({ mapping: 'APDM', filtering: 'APDF', ports: 'random' }),
  '10 s UDP timeout': behindLinux({}, { udpTimeoutSeconds: 10 }),
  // A long INVITE would arrive in fragments, which is why people use TCP for SIP there.
  'MTU 1280, no fragments': { ...behindLinux({}, { dropFragments: true }), mtu: 1280, sip: 'tcp' },
  'UDP to 53 and 3478 only': restricted(
    { udp: 'ports 53 and 3478', tcp: 'any' },
    'tcp',
    'iifname "inside" udp dport { 53, 3478 } accept',
    'iifname "inside" meta l4proto udp drop',
  ),
  'UDP blocked': restricted({ udp: 'none', tcp: 'any' }, 'tcp', 'iifname "inside" meta l4proto udp drop'),
  'TCP 443 only': restricted(
    { udp: 'none', tcp: 'port 443' },
    'tcp on port 443',
    'iifname "inside" tcp dport 443 accept',
    'iifname "inside" drop',
  ),
  'TLS on 443 only': restricted(
    { udp: 'none', tcp: 'TLS on port 443' },
    'tcp on port 443',
    ...tlsOnly,
    'iifname "inside" drop',
  ),
  'CONNECT only': restricted(
    { udp: 'none', tcp: 'CONNECT' },
    'tcp on port 443',
    `ip daddr ${places.proxy} tcp dport 3128 accept`,
    'iifname "inside" drop',
  ),
  'IPv6 only': {
    theory: { ...publicIpv4, families: [6], tcpInbound: false },
    access: { input: 'dropped' },
    sip: 'udp',
  },
  'dual stack': behindLinux({ families: [4, 6] }),
} satisfies Record<string, Network>

export type NetworkName = keyof typeof networks
export const networkNames = Object.keys(networks) as NetworkName[]
export const networkOf = (name: NetworkName): Network => networks[name]
