// The lab's routers are what they are called: each kind is asked by coturn's RFC 5780 client, from behind it.
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from '../interop/case.ts'
import { buildLab, type NatKind } from './lab.ts'
import { outputOn, startCoturn } from './servers.ts'

const behaviours: Record<Exclude<NatKind, 'UDP blocked'>, { mapping: string; filtering: string }> = {
  'port-restricted': { mapping: 'Endpoint Independent', filtering: 'Address and Port Dependent' },
  symmetric: { mapping: 'Address and Port Dependent', filtering: 'Address and Port Dependent' },
  'full cone': { mapping: 'Endpoint Independent', filtering: 'Endpoint Independent' },
  'address-restricted': { mapping: 'Endpoint Independent', filtering: 'Address Dependent' },
}

const rows: InteropCase[] = Object.entries(behaviours).map(([kind, expected]) => ({
  peer: 'Linux NAT',
  name: `the ${kind} router maps and filters as RFC 4787 names it`,
  needs: ['namespace', 'coturn'],
  run: (scene) => probe(scene, kind as NatKind, expected),
}))

async function probe(
  scene: Scene,
  kind: NatKind,
  expected: { mapping: string; filtering: string },
): Promise<void> {
  buildLab(scene, { left: kind, right: kind })
  const [host, port] = (await startCoturn(scene)).split(':')
  const text = await outputOn('left', 'turnutils_natdiscovery', ['-m', '-f', '-p', port!, host!], 20_000)
  expect(text).toContain(`NAT with ${expected.mapping} Mapping!`)
  expect(text).toContain(`NAT with ${expected.filtering} Filtering!`)
}

interop(rows)
