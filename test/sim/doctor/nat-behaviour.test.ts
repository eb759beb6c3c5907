// The doctor behind every kind of NAT that the simulator has: mapping and filtering named as RFC 4787 names them, in virtual time.
import { describe, expect, test } from 'vitest'
import type { Finding } from '../../../src/doctor/finding.ts'
import { type Dependence, type NatBehaviour, natKinds } from '../../../src/sim/nat.ts'
import { about, clinic } from './clinic.ts'

const dependences: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]

const examined = (nat: NatBehaviour | undefined, options = {}): Promise<Finding[]> =>
  clinic(nat === undefined ? {} : { nat }).examine(options)

describe('mapping and filtering', () => {
  describe.each(dependences)('mapping %s', (mapping) => {
    test.each(dependences)('filtering %s', async (filtering) => {
      const findings = await examined({ mapping, filtering, ports: 'random' })
      expect(about(findings, 'mapping').data).toMatchObject({ mapping, portsKept: false })
      expect(about(findings, 'filtering').data).toEqual({ filtering })
    })
  })

  test.each(Object.entries(natKinds))('%s', async (_, nat: NatBehaviour) => {
    const findings = await examined(nat)
    // Seen from outside a NAT that lets mappings share the inside port has one mapping for all.
    const mapping = nat.ports === 'overloading' ? 'endpoint-independent' : nat.mapping
    expect(about(findings, 'mapping').data).toMatchObject({ mapping, portsKept: nat.ports !== 'random' })
    expect(about(findings, 'filtering').data).toEqual({ filtering: nat.filtering })
  })

  test('a public address', async () => {
    const findings = await examined(undefined)
    expect(about(findings, 'mapping').data).toMatchObject({ mapping: 'none' })
    expect(about(findings, 'filtering').data).toEqual({ filtering: 'endpoint-independent' })
    expect(findings.some((finding) => finding.about === 'hairpin')).toBe(false)
  })

  test.each(dependences)('a firewall that filters %s', async (filtering) => {
    const findings = await clinic({ firewall: { filtering } }).examine()
    expect(about(findings, 'mapping').data).toMatchObject({ mapping: 'none' })
    expect(about(findings, 'filtering').data).toEqual({ filtering })
  })

  test('a lossy line changes nothing', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { examine } = clinic({
        seed,
        nat: natKinds.addressRestricted,
        link: { latencyMs: 30, loss: 0.1 },
      })
      const findings = await examine()
      expect(about(findings, 'mapping').data, `seed ${seed}`).toMatchObject({
        mapping: 'endpoint-independent',
      })
      expect(about(findings, 'filtering').data, `seed ${seed}`).toEqual({ filtering: 'address-dependent' })
    }
  })

  test('a satellite line of 700 ms changes nothing', async () => {
    const { examine } = clinic({ nat: natKinds.fullCone, link: { latencyMs: 350 } })
    const findings = await examine()
    expect(about(findings, 'mapping').data).toMatchObject({ mapping: 'endpoint-independent' })
    expect(about(findings, 'filtering').data).toEqual({ filtering: 'endpoint-independent' })
  })
})

describe('what servers cannot tell is unknown', () => {
  test('one server of one address', async () => {
    const findings = await clinic({ nat: natKinds.portRestricted, discovery: false }).examine()
    expect(about(findings, 'mapping')).toMatchObject({ mark: 'unknown', data: { mapping: 'unknown' } })
    expect(about(findings, 'filtering')).toMatchObject({ mark: 'unknown', data: { filtering: 'unknown' } })
    expect(about(findings, 'lifetime').mark).toBe('unknown')
    expect(about(findings, 'calls').mark).toBe('ok')
  })

  test('two servers of one address each tell how the NAT maps', async () => {
    const options = { iceServers: ['stun:203.0.113.20', 'stun:203.0.113.10'] }
    const same = await clinic({ nat: natKinds.portRestricted, discovery: false }).examine(options)
    expect(about(same, 'mapping').data).toMatchObject({ mapping: 'endpoint-independent' })
    const symmetric = await clinic({ nat: natKinds.symmetric, discovery: false }).examine(options)
    expect(about(symmetric, 'mapping').data).toMatchObject({ mapping: 'address-dependent or stricter' })
    expect(about(symmetric, 'filtering').data).toEqual({ filtering: 'unknown' })
  })

  test('another address of the server that does not answer', async () => {
    const findings = await clinic({ nat: natKinds.portRestricted, otherIsDead: true }).examine()
    expect(about(findings, 'filtering').data).toEqual({ filtering: 'unknown' })
  })
})

describe('hairpinning, lifetime, MTU', () => {
  test.each([true, false])('hairpinning: %s', async (hairpinning) => {
    const findings = await examined({ ...natKinds.portRestricted, hairpinning })
    expect(about(findings, 'hairpin').data).toEqual({ hairpinning })
  })

  test('the short search finds nothing below two seconds', async () => {
    const findings = await examined(natKinds.portRestricted)
    expect(about(findings, 'lifetime').data).toEqual({ atLeastMs: 2_000 })
  })

  test.each([
    [12, 10, 15],
    [50, 45, 60],
    [125, 120, 180],
  ])('a lifetime of %i s', async (lifetimeS, atLeastS, lessThanS) => {
    const findings = await examined(
      { ...natKinds.portRestricted, udpLifetimeMs: lifetimeS * 1_000 },
      { lifetime: true },
    )
    expect(about(findings, 'lifetime')).toMatchObject({
      mark: lifetimeS < 25 ? 'warning' : 'ok',
      data: { atLeastMs: atLeastS * 1_000, lessThanMs: lessThanS * 1_000 },
    })
  })

  test('a lifetime beyond the search', async () => {
    const findings = await examined({ ...natKinds.fullCone, udpLifetimeMs: 3_600_000 }, { lifetime: true })
    expect(about(findings, 'lifetime').data).toEqual({ atLeastMs: 300_000 })
  })

  test.each([
    [1_280, 1_280, 1_360],
    [1_450, 1_420, 1_460],
    [1_500, 1_500, undefined],
  ])('a path of %i octets', async (mtuBytes, largestBytes, smallestLostBytes) => {
    const { examine } = clinic({ nat: natKinds.portRestricted, link: { latencyMs: 10, mtuBytes } })
    expect(about(await examine(), 'path MTU').data).toEqual({
      largestBytes,
      ...(smallestLostBytes && { smallestLostBytes }),
    })
  })
})
