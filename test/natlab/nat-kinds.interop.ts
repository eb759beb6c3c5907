// The lab's routers are what they are called: each is asked by coturn's RFC 5780 client, from behind it.
import { expect } from 'vitest'
import { interop, type Scene } from '../interop/case.ts'
import { Lab } from './lab.ts'
import { networkNames, networkOf } from './networks.ts'
import { outputOn, startCoturn } from './servers.ts'

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
  const homes = []
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

interop([
  {
    peer: 'NAT lab',
    name: `${asked.length} kinds of router map and filter as RFC 4787 and the lab name it, says coturn's probe`,
    needs: ['namespace', 'coturn'],
    run: probe,
  },
])
