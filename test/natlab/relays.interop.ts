// TURN servers that are of no use, where a relay is what it takes: the call goes on with what is left, or both ends say what
// failed and what to change.
import { expect } from 'vitest'
import { exit } from '../interop/peers/floe.ts'
import { endsOf, iceFailsWithinMs, outcomeOf, placeCall, type ServerSet } from './calls.ts'
import type { NetworkName } from './networks.ts'
import { relayUser, startSpareCoturn } from './servers.ts'
import { type Lane, labRows, type SharedRow } from './shared-lab.ts'

interface Trouble {
  readonly name: string
  readonly caller: NetworkName
  readonly called: NetworkName
  /** What the spare server is told, where there is one, and when it dies. */
  readonly spare?: { quota?: number; over?: 'udp' | 'tcp'; dies?: 'before the call' | 'in mid-call' }
  readonly servers: ServerSet
  readonly password?: string
  /** The cause that an end must name, and a word of its fix; without it the call connects over the relay. */
  readonly says?: { cause: string; fix: RegExp; ends: 'both' | 'one' }
}

const [symmetric, restricted] = ['symmetric, random ports', 'port-restricted'] as const

const troubles: Trouble[] = [
  {
    name: 'two NATs that cannot meet, and no TURN server',
    caller: symmetric,
    called: 'symmetric, sequential ports',
    servers: 'STUN only',
    says: { cause: 'relay-missing', fix: /--turn/, ends: 'both' },
  },
  {
    name: 'UDP is blocked at both ends, and no TURN server',
    caller: 'UDP blocked',
    called: 'TCP 443 only',
    servers: 'STUN only',
    says: { cause: 'relay-missing', fix: /443/, ends: 'both' },
  },
  {
    name: 'the password of the TURN server is wrong',
    caller: symmetric,
    called: restricted,
    servers: 'TURN/UDP',
    password: 'wrong',
    says: { cause: 'relay-credentials', fix: /FLOE_TURN_PASSWORD/, ends: 'both' },
  },
  {
    name: 'the TURN server is not there',
    caller: symmetric,
    called: restricted,
    spare: { dies: 'before the call' },
    servers: 'STUN only',
    says: { cause: 'relay-unreachable', fix: /address and port/, ends: 'both' },
  },
  {
    name: 'the only TURN server dies in mid-call',
    caller: symmetric,
    called: restricted,
    spare: { dies: 'in mid-call' },
    servers: 'STUN only',
    says: { cause: 'relay-unreachable', fix: /still runs/, ends: 'both' },
  },
  {
    name: 'the TURN server has no relay left for one end, and that of the other does',
    caller: symmetric,
    called: restricted,
    spare: { quota: 1 },
    servers: 'STUN only',
  },
  {
    name: 'the TURN server has no relay left for one end, and both need one',
    caller: 'UDP blocked',
    called: 'UDP blocked',
    spare: { quota: 1, over: 'tcp' },
    servers: 'STUN only',
    says: { cause: 'relay-full', fix: /quota/, ends: 'one' },
  },
]

const endless = ['--play', 'tone:440', '--loop']
/** Lost media is looked for before the call is given up. */
const pathIsLookedForMs = 45_000

async function check(t: Trouble, { scene, servers, numbers, home }: Lane): Promise<void> {
  const ends = [
    await home(t.caller),
    await home(t.called, t.caller === t.called ? 'second' : 'first'),
  ] as const
  const spare = t.spare && (await startSpareCoturn(scene, troubles.indexOf(t), t.spare))
  if (t.spare?.dies === 'before the call') await spare?.kill()
  const dies = t.spare?.dies === 'in mid-call'
  const words = spare && [
    '--turn',
    `turn:${relayUser.username}@${spare.place}${t.spare?.over === 'tcp' ? '?transport=tcp' : ''}`,
  ]
  const calls = await placeCall(scene, servers, ends, {
    servers: t.servers,
    numbers,
    turn: { caller: words ?? [], called: words ?? [], ...(t.password && { password: t.password }) },
    ...(dies && { media: { caller: endless, called: endless } }),
  })
  if (dies) {
    await calls.caller.fact('audio', 'first-heard')
    await spare?.kill()
  }
  const result = await endsOf(calls, dies ? iceFailsWithinMs + pathIsLookedForMs : iceFailsWithinMs)
  const outcome = outcomeOf(result)
  if (!t.says) {
    expect(outcome.path, outcome.failure).toBe('relay')
    return
  }
  const { cause, fix, ends: who } = t.says
  const verdicts = [result.caller, result.called].map(({ report }) => report?.verdict)
  const telling = verdicts.filter((verdict) => verdict && !verdict.ok && verdict.cause === cause)
  expect(telling.length, JSON.stringify(verdicts)).toBeGreaterThanOrEqual(who === 'both' ? 2 : 1)
  for (const verdict of telling) expect(verdict).toMatchObject({ fix: expect.stringMatching(fix) })
  expect([result.caller.code, result.called.code]).toContain(exit.ice)
}

const rows: SharedRow[] = troubles.map((t) => ({ name: t.name, run: (lane) => check(t, lane) }))

labRows('floe where a relay is of no use', rows, rows.length)
