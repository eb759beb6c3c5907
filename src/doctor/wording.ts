// What each probe has found, in words.

import { mediaAddresses, whyLeftOut } from '../phone/media-addresses.ts'
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis, NetworkInterface } from '../runtime/runtime.ts'
import type { Protocol } from '../sip/flow.ts'
import { orderSrv } from '../sip/service-order.ts'
import type { TurnServer } from '../turn/server.ts'
import type { BindingLifetime } from './binding-lifetime.ts'
import { type Finding, milliseconds, problem, seconds } from './finding.ts'
import type { NameOutcome } from './names.ts'
import type { NatBehaviour } from './nat-behaviour.ts'
import type { Pacing } from './pacing.ts'
import type { PathMtu } from './path-mtu.ts'
import type { RelayOutcome } from './relay.ts'
import type { SipServices } from './sip-places.ts'
import type { OptionsAnswer } from './sip-server.ts'
import type { Answer } from './stun-socket.ts'

/** @param towards the local address from which the servers are reached
 *  @param wanted the interfaces that the user has named */
export function interfaceFinding(
  all: readonly NetworkInterface[],
  towards: string | undefined,
  wanted: readonly string[] | undefined,
): Finding {
  const about = 'interface'
  const preferred = towards ?? all.find((i) => whyLeftOut(i, wanted) === undefined)?.address
  const used = preferred === undefined ? [] : mediaAddresses(all, preferred, wanted)
  if (used.length === 0)
    return {
      about,
      mark: 'problem',
      fact: wanted
        ? `this machine has no usable address on ${wanted.join(', ')}`
        : 'this machine has no address but loopback',
      fix: wanted ? 'check the names of the interfaces' : 'connect it to a network',
    }
  const taking = used.map((address) => `${address} (${all.find((i) => i.address === address)?.name ?? '?'})`)
  const families = ([4, 6] as const).filter((family) => used.some((a) => addressFamily(a) === family))
  // Every interface has an IPv6 address of its link alone, and every machine a loopback.
  const left = all
    .filter((i) => !used.includes(i.address) && !i.loopback && !i.address.startsWith('fe80'))
    .map((i) => `${i.address} (${i.name}: ${whyLeftOut(i, wanted) ?? 'another one stands for it'})`)
  const leftOut = left.length === 0 ? '' : `; left out: ${left.join(', ')}`
  return {
    about,
    mark: 'ok',
    fact: `${families.map((family) => `IPv${family}`).join(' and ')}: ${taking.join(', ')}${leftOut}`,
    data: { addresses: used, leftOut: left },
  }
}

/** Nothing where there are no such records: the address is what counts then. */
export function servicesFindings(host: string, { naptr, srv, afterMs, failure }: SipServices): Finding[] {
  const took = milliseconds(afterMs)
  const findings: Finding[] = []
  const ordered = [...naptr].sort((a, b) => a.order - b.order || a.preference - b.preference)
  if (ordered.length > 0)
    findings.push({
      about: 'DNS',
      mark: 'ok',
      fact: `${host} offers ${ordered.map(({ service }) => service).join(', ')} (NAPTR, ${took})`,
      data: { name: host, naptr: ordered, afterMs },
    })
  for (const { owner, records } of srv) {
    if (records.length === 0) continue
    const servers = orderSrv(records, () => 0.5)
    const list = servers.map(({ target, port, priority, weight }) => {
      const share = servers.some((other) => other.priority === priority && other.target !== target)
      return `${target}:${port}${share ? ` (weight ${weight})` : ''}`
    })
    findings.push({
      about: 'DNS',
      mark: servers.length > 0 ? 'ok' : 'problem',
      fact: `${owner} is ${list.join(', then ') || 'not offered'} (SRV, ${took})`,
      ...(servers.length === 0 && { fix: 'name another server' }),
      data: { name: owner, srv: records, afterMs },
    })
  }
  if (failure !== undefined) findings.push({ ...problem('DNS', failure, { name: host }), mark: 'unknown' })
  return findings
}

/** @param isSip a SIP domain, which may have SRV records alone */
export function nameFinding(name: string, outcome: NameOutcome, isSip: boolean): Finding {
  if (outcome.type === 'failed') {
    const failed = problem('DNS', outcome.reason, { name })
    return isSip ? { ...failed, fix: `${failed.fix}; there are no SRV records either` } : failed
  }
  const { addresses, afterMs } = outcome
  const list = addresses.map(({ address, hasRoute }) =>
    hasRoute ? address : `${address} (no route from here)`,
  )
  const data = { name, addresses, afterMs }
  const fact = `${name} is ${list.join(', ')} (${milliseconds(afterMs)})`
  if (addresses.some(({ hasRoute }) => hasRoute)) return { about: 'DNS', mark: 'ok', fact, data }
  const fix = 'this machine needs IPv4 or IPv6 as the server has it'
  return { about: 'DNS', mark: 'problem', fact, fix, data }
}

export function sipFinding(
  protocol: Protocol,
  server: TransportAddress,
  answer: OptionsAnswer | undefined,
): Finding {
  const about = `SIP/${protocol.toUpperCase()}`
  const at = formatAddress(server)
  if (!answer)
    return {
      about,
      mark: 'problem',
      fact: `${at} does not answer`,
      fix: `check the address, that it speaks SIP over ${protocol.toUpperCase()}, and the firewalls`,
      data: { server: at },
    }
  const { status, rttMs, seen } = answer
  const sees = seen ? `, we are ${formatAddress(seen)}` : ''
  return {
    about,
    mark: 'ok',
    fact: `${at} answers ${status} in ${milliseconds(rttMs)}${sees}`,
    data: { server: at, status, rttMs, ...(seen && { seen: formatAddress(seen) }) },
  }
}

export const rewrittenFinding = ({ from, to }: { from: string; to: string }): Finding => ({
  about: 'SIP ALG',
  mark: 'warning',
  fact: `something on the way rewrites SIP: our Via ${from} came back as ${to}`,
  fix: 'switch the SIP ALG of the router off, or use SIP over TCP',
  data: { from, to },
})

export function stunFinding(server: TransportAddress, answer: Answer | undefined, isTurn: boolean): Finding {
  const about = 'STUN'
  const at = formatAddress(server)
  if (answer?.mapped)
    return {
      about,
      mark: 'ok',
      fact: `${at} answers in ${milliseconds(answer.rttMs)}, sees ${answer.at.local.address} as ${formatAddress(answer.mapped)}`,
      data: { server: at, rttMs: answer.rttMs, local: answer.at.local, mapped: answer.mapped },
    }
  const fact = answer
    ? `${at} answers without an address${answer.code === undefined ? '' : ` (${answer.code})`}`
    : `${at} does not answer`
  if (isTurn)
    return { about, mark: 'unknown', fact, fix: 'give a STUN server too (--stun)', data: { server: at } }
  const fix = 'check address and port; where UDP is blocked, use TURN over TLS'
  return { about, mark: 'problem', fact, fix, data: { server: at } }
}

const discoveryFix = 'ask a STUN server with two addresses (RFC 5780), such as coturn'

export function mappingFinding({ mapping, portsKept, outside, inside }: NatBehaviour): Finding {
  const about = 'mapping'
  const data = { mapping, portsKept, outside, inside }
  if (mapping === 'none') return { about, mark: 'ok', fact: `none: ${inside} is what the servers see`, data }
  const as = `as ${outside.join(' and ')}, ports ${portsKept ? 'kept' : 'changed'}`
  if (mapping === 'unknown')
    return {
      about,
      mark: 'unknown',
      fact: `translated ${as}; one server cannot tell by what rule`,
      fix: 'ask a second STUN server, or one with two addresses (RFC 5780)',
      data,
    }
  return {
    about,
    mark: mapping === 'endpoint-independent' ? 'ok' : 'warning',
    fact: `${mapping}, ${as}`,
    data,
  }
}

export function filteringFinding({ mapping, filtering }: NatBehaviour): Finding {
  const about = 'filtering'
  const data = { filtering }
  if (filtering === 'unknown')
    return {
      about,
      mark: 'unknown',
      fact: 'unknown: no server could answer from another address',
      fix: discoveryFix,
      data,
    }
  const isOpen = mapping === 'none' && filtering === 'endpoint-independent'
  return { about, mark: 'ok', fact: `${filtering}${isOpen ? ': nothing is in the way' : ''}`, data }
}

export const hairpinFinding = (hairpinning: boolean): Finding =>
  hairpinning
    ? { about: 'hairpin', mark: 'ok', fact: 'yes', data: { hairpinning } }
    : {
        about: 'hairpin',
        mark: 'warning',
        fact: 'no: phones behind this NAT cannot meet at its outside address',
        fix: 'where they share no network either, give them a TURN server',
        data: { hairpinning },
      }

/** The keep-alives of floe: between two REGISTERs over UDP, and consent checks (RFC 7675) on media. */
const sipKeepAliveMs: Millis = 25_000

export function lifetimeFinding(lifetime: BindingLifetime, isLongSearch: boolean): Finding {
  const about = 'lifetime'
  if (!lifetime.known)
    return {
      about,
      mark: 'unknown',
      fact: 'unknown: no server could answer to another port',
      fix: discoveryFix,
    }
  const { atLeastMs, lessThanMs } = lifetime
  const more = isLongSearch ? '' : ' (--lifetime searches on)'
  const bound = lessThanMs === undefined ? more : `, less than ${seconds(lessThanMs)}`
  const fact = `UDP is remembered for at least ${seconds(atLeastMs)}${bound}`
  if (lessThanMs !== undefined && lessThanMs <= sipKeepAliveMs)
    return {
      about,
      mark: 'warning',
      fact,
      fix: 'use SIP over TCP (--transport tcp): keep-alives are 20 to 25 s apart',
      data: { atLeastMs, lessThanMs },
    }
  return { about, mark: 'ok', fact, data: { atLeastMs, ...(lessThanMs !== undefined && { lessThanMs }) } }
}

const octets = (count: number): string => count.toLocaleString('en-US')

export function mtuFinding({ largestBytes, smallestLostBytes }: PathMtu): Finding {
  const about = 'path MTU'
  if (largestBytes === undefined)
    return { about, mark: 'unknown', fact: 'unknown: the server answers no long request' }
  const data = { largestBytes, ...(smallestLostBytes !== undefined && { smallestLostBytes }) }
  if (smallestLostBytes === undefined || smallestLostBytes < largestBytes)
    return { about, mark: 'ok', fact: `datagrams of ${octets(largestBytes)} octets reach the server`, data }
  return {
    about,
    mark: 'warning',
    fact: `datagrams of ${octets(largestBytes)} octets reach the server, those of ${octets(smallestLostBytes)} do not`,
    fix: 'use SIP over TCP (--transport tcp): long INVITEs would be lost',
    data,
  }
}

export function relayFinding({ address, transport, host }: TurnServer, outcome: RelayOutcome): Finding {
  const about = `TURN/${transport.toUpperCase()}`
  const server = formatAddress(address)
  if (outcome.type === 'failed') {
    const { reason, code } = outcome
    return problem(about, reason, { server, ...(code !== undefined && { code }) })
  }
  const { relayed, afterMs, echo } = outcome
  const data = { server, host, relayed: relayed.map(formatAddress), afterMs, echo }
  const gives = `${server} gives ${relayed.map(formatAddress).join(' and ')} in ${milliseconds(afterMs)}`
  if (echo === 'silent')
    return {
      about,
      mark: 'warning',
      fact: `${gives}, but nothing comes back through it`,
      fix: "check the server's relay ports and the firewall in front of them",
      data,
    }
  if ('code' in echo)
    return { about, mark: 'ok', fact: `${gives}; no echo, it refuses itself as peer (${echo.code})`, data }
  return { about, mark: 'ok', fact: `${gives}, echo in ${milliseconds(echo.ms)}`, data }
}

export const proxyFinding = (proxy: string, to: TransportAddress, ms: Millis): Finding => ({
  about: 'proxy',
  mark: 'ok',
  fact: `${proxy} connects to ${formatAddress(to)} in ${milliseconds(ms)}`,
  data: { proxy, to: formatAddress(to), ms },
})

/** What jitter buffers smooth without anybody hearing it. */
const steadyMs: Millis = 10

export function pacingFinding({ frames, skipped, p50Ms, p99Ms, maximumMs }: Pacing): Finding {
  const about = 'pacing'
  const fact = `packets of 20 ms leave ${p50Ms.toFixed(1)} ms late (p50), ${p99Ms.toFixed(1)} ms (p99)`
  const data = { frames, skipped, p50Ms, p99Ms, maximumMs }
  if (skipped === 0 && p99Ms <= steadyMs) return { about, mark: 'ok', fact, data }
  return {
    about,
    mark: 'warning',
    fact: skipped > 0 ? `${fact}, ${skipped} of ${frames + skipped} not at all` : fact,
    fix: 'this machine is busy: stop other work, or make fewer calls at once',
    data,
  }
}
