// ICE over TCP by simultaneous open (RFC 6544) between two kernels: each host's firewall drops UDP and what comes unasked, SIP
// to the called one apart. The only path for media is the connection that both open at once.
import { execFileSync } from 'node:child_process'
import { expect } from 'vitest'
import { interop, type Scene } from '../interop/case.ts'
import { repository } from '../interop/installed.ts'
import { exit, Floe, words } from '../interop/peers/floe.ts'
import { on } from './lab.ts'

const caller = { name: 'so-caller', address: '198.51.100.1' }
const called = { name: 'so-called', address: '198.51.100.2' }

const shell = (script: string): void =>
  void execFileSync('sh', ['-euc', script], { stdio: ['ignore', 'ignore', 'pipe'] })

function twoFirewalledHosts(scene: Scene): void {
  scene.onEnd(() => {
    for (const { name } of [caller, called]) shell(`ip netns del ${name} || true`)
  })
  shell(`ip netns add ${caller.name}; ip netns add ${called.name}
    ip link add cable netns ${caller.name} type veth peer name cable netns ${called.name}`)
  for (const { name, address } of [caller, called])
    shell(`ip -n ${name} link set lo up; ip -n ${name} address add ${address}/24 dev cable
      ip -n ${name} link set cable up
      ip netns exec ${name} nft -f - <<'RULES'
table inet firewall {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    meta l4proto udp drop
    ct state established,related accept
    ${name === called.name ? 'tcp dport 5060 accept' : ''}
  }
}
RULES`)
}

interop([
  {
    peer: 'kernel firewalls',
    name: 'TCP simultaneous open: no UDP, nobody lets a connection in, a file heard both ways',
    needs: ['namespace'],
    async run(scene) {
      twoFirewalledHosts(scene)
      const media = `${repository}/media`
      const answer = Floe.start(
        scene,
        'answer',
        words`answer --codec PCMU --bind ${called.address}:5060 --play ${media}/reply-8k.wav --hear ${media}/hello-8k.wav`,
        {},
        on(called.name),
      )
      await answer.listening()
      const call = Floe.start(
        scene,
        'call',
        words`call --codec PCMU ${`sip:bob@${called.address};transport=tcp`} --play ${media}/hello-8k.wav --hear ${media}/reply-8k.wav`,
        {},
        on(caller.name),
      )
      for (const end of await Promise.all([call.ended(), answer.ended()])) {
        expect(end.code, end.stderr).toBe(exit.ok)
        const open = end.lines.find((line) => String(line['candidate']).endsWith('tcptype so'))
        const { local } = end.report?.pairs.find(({ selected }) => selected) ?? {}
        expect(open?.['address']).toEqual(local?.address)
      }
    },
  },
])
