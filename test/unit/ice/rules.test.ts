// The arithmetic and the small rules of ICE, each alone: priorities, foundations, redundancy, freezing, nomination.
import { describe, expect, it } from 'vitest'
import { InvariantError } from '../../../src/errors.ts'
import { type Base, candidatePriority, type LocalCandidate } from '../../../src/ice/candidate.ts'
import {
  Checklist,
  nextOrdinaryCheck,
  unfreezeFoundation,
  unfreezeIdleFoundations,
} from '../../../src/ice/checklist.ts'
import { LocalCandidates } from '../../../src/ice/local-candidates.ts'
import { chooseNomination } from '../../../src/ice/nomination.ts'
import { CandidatePair, pairPriority } from '../../../src/ice/pair.ts'
import { at, hostCandidate } from './network.ts'

const baseAt = (address: string, port = 4_000, component: 1 | 2 = 1): Base => ({
  stream: 0,
  component,
  address: at(address, port),
  localPreference: 65_535,
  transport: 'udp',
  send: () => {},
})

/** All pairs in the order in which they would be checked. */
function checkOrder(checklist: Checklist, controlling: boolean): CandidatePair[] {
  const order: CandidatePair[] = []
  for (;;) {
    const next = nextOrdinaryCheck(0, [checklist], controlling)
    if (!next) return order
    next.pair.transition('in-progress')
    order.push(next.pair)
  }
}

describe('priorities', () => {
  it('of candidates are those of RFC 8445 5.1.2.1 (and the 2130706431 that every SDP shows)', () => {
    expect(candidatePriority('host', 65_535, 1)).toBe(2_130_706_431)
    expect(candidatePriority('host', 65_535, 2)).toBe(2_130_706_430)
    expect(candidatePriority('srflx', 65_535, 1)).toBe(1_694_498_815)
    expect(candidatePriority('prflx', 65_535, 1)).toBe(1_862_270_975)
    expect(candidatePriority('relay', 0, 1)).toBe(255)
  })

  it('of pairs are 2^32 MIN + 2 MAX + (G > D), without losing a bit', () => {
    const g = 2_130_706_431
    const d = 1_694_498_815
    expect(pairPriority(g, d)).toBe(7_277_816_997_797_167_103n)
    expect(pairPriority(d, g)).toBe(pairPriority(g, d) - 1n)
    expect(pairPriority(g, g)).toBe(2n ** 32n * BigInt(g) + 2n * BigInt(g))
  })
})

describe('local candidates', () => {
  it('share a foundation by type, base IP and server, whatever port and component', () => {
    const locals = new LocalCandidates()
    const server = at('198.51.100.1', 3_478)
    const rtp = locals.add('host', baseAt('10.0.0.1', 1), at('10.0.0.1', 1))!
    const rtcp = locals.add('host', baseAt('10.0.0.1', 2, 2), at('10.0.0.1', 2))!
    const other = locals.add('host', baseAt('10.0.0.2', 1), at('10.0.0.2', 1))!
    const reflexive = locals.add('srflx', rtp.base, at('203.0.113.1', 1), server)!
    const second = locals.add('srflx', rtp.base, at('203.0.113.1', 2), at('198.51.100.2', 3_478))!
    expect(rtcp.foundation).toBe(rtp.foundation)
    expect(new Set([rtp, other, reflexive, second].map((c) => c.foundation)).size).toBe(4)
  })

  it('are redundant where a server sees the base itself: no NAT', () => {
    const locals = new LocalCandidates()
    const base = baseAt('192.0.2.1')
    locals.add('host', base, base.address)
    expect(locals.add('srflx', base, base.address, at('198.51.100.1', 3_478))).toBeUndefined()
  })
})

function listOf(...components: (1 | 2)[]) {
  const checklist = new Checklist()
  const locals = components.map((component): LocalCandidate => {
    const base = baseAt('10.0.0.1', 4_000 + component, component)
    return { ...hostCandidate('10.0.0.1', 4_000 + component, component), base }
  })
  const remotes = components.map((component) => hostCandidate('10.0.0.2', 5_000 + component, component))
  checklist.form(locals, remotes, true)
  return checklist
}

describe('the checklist (RFC 8445 6.1.2.6)', () => {
  it('begins with one pair of each foundation, the lowest component', () => {
    const checklist = listOf(1, 2)
    expect(checklist.pairs).toHaveLength(2)
    unfreezeIdleFoundations([checklist])
    expect(checklist.pairs.map(({ component, state }) => [component, state])).toEqual([
      [1, 'waiting'],
      [2, 'frozen'],
    ])
    unfreezeIdleFoundations([checklist])
    expect(checklist.ofComponent(2)[0]!.state).toBe('frozen')
  })

  it('thaws the other pairs of a foundation in every list when one succeeds', () => {
    const first = listOf(1)
    const second = listOf(1)
    unfreezeIdleFoundations([first, second])
    expect(second.pairs[0]!.state).toBe('frozen')
    unfreezeFoundation([first, second], first.pairs[0]!.foundation)
    expect(second.pairs[0]!.state).toBe('waiting')
  })

  it('pairs IPv6 link-local addresses with their like only, and families never', () => {
    const checklist = new Checklist()
    const local = (address: string): LocalCandidate => ({
      ...hostCandidate(address, 1),
      base: baseAt(address, 1),
    })
    checklist.form(
      [local('fe80::1'), local('2001:db8::1'), local('10.0.0.1')],
      [hostCandidate('fe80::2', 2), hostCandidate('2001:db8::2', 2), hostCandidate('10.0.0.2', 2)],
      true,
    )
    expect(checklist.pairs.map((p) => `${p.local.address} ${p.remote.address}`).sort()).toEqual([
      '10.0.0.1 10.0.0.2',
      '2001:db8::1 2001:db8::2',
      'fe80::1 fe80::2',
    ])
  })

  it('checks first what routing would choose: neighbours, and our preferred address', () => {
    const checklist = new Checklist()
    const local = (address: string): LocalCandidate => ({
      ...hostCandidate(address, 1),
      base: baseAt(address, 1),
    })
    checklist.form(
      [local('10.0.0.1'), local('172.16.0.1')],
      [hostCandidate('192.0.2.1', 2), hostCandidate('172.16.0.2', 2)],
      true,
    )
    const likely = checklist.pairs.filter((pair) => pair.likely)
    expect(likely.map((pair) => `${pair.local.address} ${pair.remote.address}`).sort()).toEqual([
      '10.0.0.1 192.0.2.1',
      '172.16.0.1 172.16.0.2',
    ])
    unfreezeIdleFoundations([checklist])
    const order: boolean[] = []
    for (const pair of checkOrder(checklist, true)) order.push(pair.likely)
    expect(order).toEqual([true, true, false, false])
  })

  it('takes no relay for likely because it stands in the network of the peer', () => {
    const checklist = new Checklist()
    const peer = hostCandidate('203.0.113.2', 2)
    const own: LocalCandidate = { ...hostCandidate('192.168.1.2', 1), base: baseAt('192.168.1.2', 1) }
    const relayed = { ...hostCandidate('203.0.113.11', 3), type: 'relay' as const, priority: 1 }
    checklist.form([own, { ...relayed, base: baseAt('203.0.113.11', 3) }], [peer], true)
    unfreezeIdleFoundations([checklist])
    expect(nextOrdinaryCheck(0, [checklist], true)?.pair.local.type).toBe('host')
  })

  it('is shared between the ends: together they have checked all pairs when each has sent half as many', () => {
    const addresses = (side: number) => Array.from({ length: 10 }, (_, i) => `10.${side}.${i}.1`)
    const candidates = (side: number): LocalCandidate[] =>
      addresses(side).map((address, i) => ({
        ...hostCandidate(address, 1, 1, candidatePriority('host', 65_535 - i, 1)),
        base: baseAt(address, 1),
      }))
    const checked = (controlling: boolean, ours: number, theirs: number) => {
      const checklist = new Checklist()
      checklist.form(candidates(ours), candidates(theirs), controlling)
      unfreezeIdleFoundations([checklist])
      return checkOrder(checklist, controlling)
        .slice(0, 51)
        .map((pair) => [pair.local.address, pair.remote.address].sort().join(' '))
    }
    expect(new Set([...checked(true, 1, 2), ...checked(false, 2, 1)]).size).toBe(100)
  })

  it('refuses a transition that the table does not have', () => {
    const [pair] = listOf(1).pairs
    expect(() => pair!.transition('succeeded')).toThrow(InvariantError)
  })

  it('has nothing to check when nothing waits', () => {
    expect(nextOrdinaryCheck(0, [listOf(1)], true)).toBeUndefined()
  })
})

describe('nomination', () => {
  const pair = (
    priority: bigint,
    state: 'in-progress' | 'succeeded',
    lastCheckAt: number,
    rttMs?: number,
  ) => {
    const base = baseAt('10.0.0.1')
    const made = new CandidatePair(
      base,
      { ...hostCandidate('10.0.0.1', 1), base },
      hostCandidate('10.0.0.2', 2),
      priority,
    )
    made.transition('waiting')
    made.transition('in-progress')
    if (state === 'succeeded') made.succeed(made.local)
    made.lastCheckAt = lastCheckAt
    made.rttMs = rttMs
    made.likely = true
    return made
  }

  it('takes the only valid pair at once', () => {
    const valid = pair(1n, 'succeeded', 0, 50)
    expect(chooseNomination(50, [valid])).toEqual({ nominate: valid })
    expect(chooseNomination(50, [pair(1n, 'in-progress', 0)])).toBeUndefined()
  })

  it('waits for a better pair only while its answer may be under way', () => {
    const better = pair(2n, 'in-progress', 40)
    const valid = pair(1n, 'succeeded', 0, 50)
    expect(chooseNomination(50, [better, valid])).toEqual({ waitUntil: 40 + 50 + 2 })
    expect(chooseNomination(105, [better, valid])).toEqual({ nominate: valid })
  })

  it('does not wait for an unlikely pair that media would gain nothing by', () => {
    const better = pair(2n, 'in-progress', 40)
    better.likely = false
    const valid = pair(1n, 'succeeded', 0, 50)
    expect(chooseNomination(50, [better, valid])).toEqual({ nominate: valid })
  })

  it('waits for any direct pair where the valid one is relayed, until its second packet can be answered', () => {
    const direct = pair(2n, 'in-progress', 40)
    direct.likely = false
    const relayed = pair(1n, 'in-progress', 0, 50)
    relayed.remote = { ...relayed.remote, type: 'relay' }
    relayed.succeed(relayed.local)
    expect(chooseNomination(50, [direct, relayed])).toEqual({ waitUntil: 40 + 50 + 2 + 1_000 })
  })

  it('does so too where only the priority shows that the peer comes by a relay that it has not named', () => {
    const direct = pair(2n, 'in-progress', 40)
    const untold = pair(1n, 'in-progress', 0, 50)
    untold.remote = { ...untold.remote, type: 'prflx', priority: candidatePriority('relay', 65_535, 1) }
    untold.succeed(untold.local)
    expect(chooseNomination(50, [direct, untold])).toEqual({ waitUntil: 40 + 50 + 2 + 1_000 })
    untold.remote = { ...untold.remote, priority: candidatePriority('prflx', 65_535, 1) }
    expect(chooseNomination(50, [direct, untold])).toEqual({ waitUntil: 40 + 50 + 2 })
  })

  it('is not put off for ever by pairs that keep coming: three times the patience, counted from the first that works', () => {
    const valid = pair(1n, 'succeeded', 0, 50)
    valid.validAt = 50
    const coming = (now: number) => chooseNomination(now, [pair(2n, 'in-progress', now), valid])
    expect(coming(50)).toEqual({ waitUntil: 50 + 52 })
    expect(coming(180)).toEqual({ waitUntil: 50 + 3 * 52 })
    expect(coming(50 + 3 * 52)).toEqual({ nominate: valid })
    // Nor by a better one that becomes valid meanwhile, and has worked for a shorter time.
    const later = pair(3n, 'succeeded', 150, 50)
    later.validAt = 200
    const coming2 = chooseNomination(210, [pair(4n, 'in-progress', 210), later, valid])
    expect(coming2).toEqual({ nominate: later })
  })

  it('does not wait for a worse pair', () => {
    const valid = pair(2n, 'succeeded', 0, 50)
    expect(chooseNomination(50, [valid, pair(1n, 'in-progress', 49)])).toEqual({ nominate: valid })
  })
})
