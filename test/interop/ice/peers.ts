// The other implementations of ICE, what each of them offers, and why the rest is not there to be tried.
import { join } from 'node:path'
import { interopFolder, type Need, nodePath } from '../installed.ts'

export type Feature =
  | 'trickle'
  | 'lite'
  | 'restart'
  | 'aggressive nomination'
  | 'two components'
  | 'mDNS names'

export interface Peer {
  /** The heading in the table. */
  readonly name: string
  readonly needs: readonly Need[]
  readonly command: () => readonly string[]
  /** What it has none of. */
  readonly lacks: readonly Feature[]
  /** It speaks DTLS on what ICE finds, and nothing else. */
  readonly dtls?: true
}

const agents = join(import.meta.dirname, 'agents')
const built = (name: string) => join(interopFolder, 'ice', name)

export const floeCommand = [process.execPath, join(agents, 'floe.mjs')] as const

export const peers: readonly Peer[] = [
  {
    name: 'libnice',
    needs: ['libnice agent'],
    command: () => [built('libnice')],
    lacks: ['mDNS names'],
  },
  {
    name: 'aioice',
    needs: ['aioice'],
    command: () => ['/usr/bin/python3', join(agents, 'aioice-peer.py')],
    lacks: ['lite', 'restart', 'aggressive nomination', 'mDNS names'],
  },
  {
    name: 'pion',
    needs: ['pion agent'],
    command: () => [built('pion')],
    lacks: ['aggressive nomination', 'two components', 'mDNS names'],
  },
  {
    name: 'libjuice',
    needs: ['node-datachannel'],
    command: () => [process.execPath, join(agents, 'node-datachannel.mjs')],
    lacks: ['lite', 'restart', 'aggressive nomination', 'two components', 'mDNS names'],
    dtls: true,
  },
  {
    name: 'werift',
    needs: ['werift', 'node 22'],
    command: () => [nodePath(22)!, join(agents, 'werift.mjs')],
    lacks: ['aggressive nomination', 'two components', 'mDNS names'],
  },
  {
    name: 'Chromium',
    needs: ['chromium'],
    command: () => [process.execPath, join(agents, 'chromium.mjs')],
    lacks: ['lite', 'aggressive nomination', 'two components'],
    dtls: true,
  },
]
