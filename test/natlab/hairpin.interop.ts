// Two clients behind one NAT that do not see each other on its inside: only a NAT that hairpins (RFC 4787 9) lets them meet.
import { expect } from 'vitest'
import { exit } from '../interop/peers/floe.ts'
import { endsOf, iceFailsWithinMs, outcomeOf, placeCall } from './calls.ts'
import type { NetworkName } from './networks.ts'
import { type Lane, labRows } from './shared-lab.ts'

const rows: { kind: NetworkName; path: 'direct' | 'relay' }[] = [
  { kind: 'port-restricted', path: 'direct' },
  { kind: 'Linux, input dropped', path: 'relay' },
]

async function check(kind: NetworkName, path: string, lane: Lane): Promise<void> {
  const { scene, servers, numbers, lab, home } = lane
  const caller = await home(kind)
  const called = lab.addGuest(caller, `${caller.name}-guest`)
  const calls = await placeCall(scene, servers, [caller, called], { servers: 'all', numbers })
  const ends = await endsOf(calls, iceFailsWithinMs)
  const outcome = outcomeOf(ends)
  expect([ends.caller.code, ends.called.code], outcome.failure).toEqual([exit.ok, exit.ok])
  expect(outcome.path, outcome.pairs).toBe(path)
}

labRows(
  'two clients behind one NAT, no LAN between them',
  rows.map(({ kind, path }) => ({
    name: `${kind}, which ${path === 'direct' ? 'hairpins' : 'does not hairpin'}: ${path}`,
    run: (lane) => check(kind, path, lane),
  })),
  2,
)
