// The lab's routers are what they are called: each is asked by coturn's RFC 5780 client, from behind it.
import { join } from 'node:path'
import { expect } from 'vitest'
import { interop, type Scene } from '../interop/case.ts'
import { type Home, Lab } from './lab.ts'
import { networkNames, networkOf, places, type Theory } from './networks.ts'
import { outputOn, startCoturn, startProxy } from './servers.ts'

const words = {
  none: 'No NAT! (Endpoint Independent Mapping)',
  EIM: 'NAT with Endpoint Independent Mapping!',
  APDM: 'NAT with Address and Port Dependent Mapping!',
  EIF: 'NAT with Endpoint Independent Filtering!',
  ADF: 'NAT with Address Dependent Filtering!',
  APDF: 'NAT with Address and Port Dependent Filtering!',
} as const

/** It speaks to other ports than the strict networks let through, and not in IPv6. */
const asked = networkNames.filter((name) => {
  const { udp, families } = networkOf(name).theory
  return udp === 'any' && families.includes(4)
})

async function probe(scene: Scene): Promise<void> {
  const lab = await Lab.build(scene, { delayMs: 0 })
  const [host, port] = (await startCoturn(scene)).split(':')
  const homes: Home[] = []
  for (const [i, name] of asked.entries()) homes.push(await lab.addHome(`home${i}`, name))
  const probes = homes.map(async ({ name, kind, inside, network: { theory } }) => {
    const text = await outputOn(
      name,
      'turnutils_natdiscovery',
      ['-m', '-f', '-L', inside, '-p', port!, host!],
      30_000,
    )
    const { mapping, filtering } = theory
    const expected = [words[mapping], words[filtering === 'none' ? 'EIF' : filtering]]
    return expected.every((line) => text.includes(line)) ? [] : [`${kind}: ${text}`]
  })
  const wrong = (await Promise.all(probes)).flat()
  expect(wrong, wrong.join('\n')).toEqual([])
}

/** What reach.mjs is to find, from the theory alone. */
function reachable({ udp, tcp, families }: Theory) {
  const any = tcp === 'any'
  return {
    udp3478: udp !== 'none',
    udp3479: udp === 'any',
    tcp3478: any,
    tcp443: any || tcp === 'port 443',
    tls443: any || tcp === 'port 443' || tcp === 'TLS on port 443',
    // The proxy has no IPv6, and never connects to another port.
    connect443: families.includes(4) && (any || tcp === 'CONNECT'),
    connect3478: false,
  }
}

async function reach(scene: Scene): Promise<void> {
  const lab = await Lab.build(scene, { delayMs: 0 })
  await Promise.all([startCoturn(scene), startProxy(scene)])
  const homes: Home[] = []
  for (const [i, name] of networkNames.entries()) homes.push(await lab.addHome(`home${i}`, name))
  const script = join(import.meta.dirname, 'reach.mjs')
  const wrong: string[] = []
  const ask = async ({ name, kind, network: { theory } }: Home) => {
    const coturn = places.coturn[theory.families.includes(4) ? 4 : 6]
    const text = await outputOn(name, process.execPath, [script, coturn, places.proxy], 20_000)
    const expected = JSON.stringify(reachable(theory))
    if (text.trim() !== expected) wrong.push(`${kind}: ${text.trim()} instead of ${expected}`)
  }
  while (homes.length > 0) await Promise.all(homes.splice(0, sideBySide).map(ask))
  expect(wrong, wrong.join('\n')).toEqual([])
}

/** More would wait for the processor rather than for the network. */
const sideBySide = 6

interop([
  {
    peer: 'NAT lab',
    name: `${asked.length} kinds of router map and filter as RFC 4787 and the lab name it, says coturn's probe`,
    needs: ['namespace', 'coturn', 'python'],
    run: probe,
  },
  {
    peer: 'NAT lab',
    name: `from ${networkNames.length} kinds of network that leaves which is to leave: UDP, TCP, TLS, CONNECT`,
    needs: ['namespace', 'coturn', 'python'],
    run: reach,
  },
])
