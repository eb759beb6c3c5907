// floe's ICE against every other one, agent against agent on two hosts of the lab: roles, vanilla and trickle, lite, restart,
// conflicts, two components, NATs. In every row both tell that they have nominated, both mean the same pair, and data flows
// on it both ways.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { type Home, Lab } from '../../natlab/lab.ts'
import type { NetworkName } from '../../natlab/networks.ts'
import { startCoturn } from '../../natlab/servers.ts'
import { type InteropCase, interop, type MeasuringScene, type Scene } from '../case.ts'
import { interopFolder } from '../installed.ts'
import { Agent } from './agent.ts'
import { type Feature, floeCommand, type Peer, peers } from './peers.ts'
import { connect, expectData, expectDtls, expectSamePair } from './session.ts'

interface IceCase {
  readonly name: string
  /** What the peer must offer. */
  readonly feature?: Feature
  /** Who offers; the other end answers. In theory the offerer controls (RFC 8445 6.1.1). */
  readonly offers: 'floe' | 'peer'
  readonly floe?: { readonly role?: 'controlling' | 'controlled'; readonly flags?: readonly string[] }
  readonly peer?: readonly string[]
  readonly trickle?: true
  readonly components?: readonly number[]
  readonly restart?: true
  /** Both ends are in homes of this kind; default: public addresses. */
  readonly behind?: NetworkName
  readonly needs?: InteropCase['needs']
}

const cases: readonly IceCase[] = [
  { name: 'floe controls', offers: 'floe' },
  { name: 'floe is controlled', offers: 'peer' },
  { name: 'trickle, floe controls', feature: 'trickle', offers: 'floe', trickle: true },
  { name: 'trickle, floe is controlled', feature: 'trickle', offers: 'peer', trickle: true },
  { name: 'both mean to control', offers: 'peer', floe: { role: 'controlling' } },
  { name: 'both mean to be controlled', offers: 'floe', floe: { role: 'controlled' } },
  { name: 'floe is lite', offers: 'peer', floe: { flags: ['--lite'] }, peer: ['--remote-lite'] },
  {
    name: 'the peer is lite',
    feature: 'lite',
    offers: 'floe',
    floe: { flags: ['--remote-lite'] },
    peer: ['--lite'],
  },
  { name: 'restart by floe', feature: 'restart', offers: 'floe', restart: true },
  { name: 'restart by the peer', feature: 'restart', offers: 'peer', restart: true },
  { name: 'aggressive nomination', feature: 'aggressive nomination', offers: 'peer', peer: ['--aggressive'] },
  { name: 'two components', feature: 'two components', offers: 'floe', components: [1, 2] },
  { name: 'both behind NATs', offers: 'floe', behind: 'Linux, input dropped', needs: ['coturn', 'python'] },
  { name: 'mDNS names', feature: 'mDNS names', offers: 'peer', peer: ['--mdns'] },
]

// ---- the lab -------------------------------------------------------------------------------------------------------------

const folder = join(interopFolder, 'run', 'ice')
const cleanUps: (() => void | Promise<void>)[] = []
const shared: Scene = { folder, onEnd: (f) => void cleanUps.push(f), log: () => undefined }
let building: Promise<Lab> | undefined
let coturn: Promise<string> | undefined
const homes = new Map<string, Promise<Home>>()

afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

async function home(kind: NetworkName, whose: 'floe' | 'peer'): Promise<string> {
  mkdirSync(folder, { recursive: true })
  building ??= Lab.build(shared, { delayMs: 0 })
  const lab = await building
  const name = `${whose}-${kind.split(/\W/)[0]}`
  const known = homes.get(name) ?? lab.addHome(name, kind)
  homes.set(name, known)
  return (await known).name
}

// ---- the rows ------------------------------------------------------------------------------------------------------------

async function run(scene: MeasuringScene, peer: Peer, c: IceCase): Promise<void> {
  const { offers, trickle = false, components = [1], behind = 'public' } = c
  const hosts = { floe: await home(behind, 'floe'), peer: await home(behind, 'peer') }
  if (behind !== 'public') coturn ??= startCoturn(shared)
  const common = [
    ...['--components', String(components.length)],
    ...(trickle ? ['--trickle'] : []),
    ...(coturn && behind !== 'public' ? ['--stun', await coturn] : []),
  ]
  const role = (whose: 'floe' | 'peer') => (whose === offers ? 'controlling' : 'controlled')
  const floeFlags = [`--${c.floe?.role ?? role('floe')}`, ...common, ...(c.floe?.flags ?? [])]
  const peerFlags = [`--${role('peer')}`, ...common, ...(c.peer ?? [])]
  const [floe, other] = await Promise.all([
    Agent.start(scene, { name: 'floe', host: hosts.floe, command: [...floeCommand, ...floeFlags] }),
    Agent.start(scene, { name: peer.name, host: hosts.peer, command: [...peer.command(), ...peerFlags] }),
  ])
  const ends = offers === 'floe' ? ([floe, other] as const) : ([other, floe] as const)
  const nominatedMs = await connect(...ends, { verb: 'start', trickle, components })
  if (c.restart) {
    if (!peer.dtls) await expectData(floe, other, components)
    await connect(...ends, { verb: 'restart', trickle, components })
  }
  if (behind === 'public') await expectSamePair(floe, other, components)
  if (peer.dtls) await expectDtls(floe, other)
  else await expectData(floe, other, components)
  scene.measured({ implementation: peer.name, case: c.name, nominatedMs })
}

interop(
  peers.flatMap((peer) =>
    cases
      .filter(({ feature }) => feature === undefined || !peer.lacks.includes(feature))
      .map(
        (c): InteropCase => ({
          peer: `ICE: ${peer.name}`,
          name: c.name,
          needs: ['namespace', ...peer.needs, ...(c.needs ?? [])],
          run: (scene) => run(scene, peer, c),
        }),
      ),
  ),
)
