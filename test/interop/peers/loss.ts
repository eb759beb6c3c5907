// Packet loss and address translation on the namespace's loopback, by nftables. Rows that use them need 'namespace'.
import { execFileSync } from 'node:child_process'
import type { Scene } from '../case.ts'
import { programPath } from '../installed.ts'

/** Loses a share of all UDP packets, in both directions, until the row ends. */
export function losePackets(scene: Scene, percent: number): void {
  install(
    scene,
    'loss',
    `chain input {
       type filter hook input priority 0
       meta l4proto udp numgen random mod 1000 < ${percent * 10} counter drop
     }`,
  )
}

/** Makes UDP to `host` arrive from another port than it left from, as behind a NAT, until the row ends. */
export function translatePortsTowards(
  scene: Scene,
  host: string,
  ports: { first: number; last: number },
): void {
  install(
    scene,
    'translation',
    `chain out {
       type nat hook postrouting priority 100
       ip daddr ${host} meta l4proto udp masquerade to :${ports.first}-${ports.last}
     }`,
  )
}

/** How many packets `losePackets` has dropped so far. */
export function packetsLost(): number {
  return Number(/packets (\d+)/.exec(nft('list table ip loss'))?.[1] ?? 0)
}

function install(scene: Scene, table: string, chain: string): void {
  nft(`table ip ${table} {\n${chain}\n}`)
  scene.onEnd(() => void nft(`delete table ip ${table}`))
}

function nft(commands: string): string {
  return execFileSync(programPath('nft') ?? 'nft', ['-f', '-'], {
    input: `${commands}\n`,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}
