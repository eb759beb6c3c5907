// DTLS 1.2 beside pion/dtls, both roles: the same keying material for SRTP at both ends; and a pion that shows the certificate which the
// signalling names without having its key: it must get no handshake.
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { createCertificate, fingerprintOf } from '../../../src/dtls/certificate.ts'
import { DtlsClient } from '../../../src/dtls/client.ts'
import type { DtlsEvent } from '../../../src/dtls/endpoint.ts'
import { DtlsServer } from '../../../src/dtls/server.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type InteropCase, interop, type Scene } from '../case.ts'
import { interopFolder, programPath } from '../installed.ts'
import { materialOf, openSocket, profiles, shakeHands } from '../peers/dtls-end.ts'
import { eventually, freePort, PeerProcess } from '../peers/process.ts'
import { securityProof } from './proof.ts'

const peer = 'pion'

/** As NAME.pem and NAME.key. */
function makeCertificate(scene: Scene, name: string): void {
  const files = ['-keyout', join(scene.folder, `${name}.key`), '-out', join(scene.folder, `${name}.pem`)]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync(
    programPath('openssl') ?? 'openssl',
    ['req', '-x509', ...key, '-days', '30', '-subj', `/CN=${name}`, ...files],
    { stdio: 'ignore' },
  )
}

/** The signalling has named one end's certificate to floe; pion shows that or a thief's own, and has the key of either. */
async function meet(
  scene: Scene,
  role: 'client' | 'server',
  { certificate = 'named', key = 'named' }: { certificate?: string; key?: string } = {},
): Promise<{ event: DtlsEvent; pion: PeerProcess }> {
  for (const name of ['named', 'thief']) makeCertificate(scene, name)
  const file = (name: string): string => join(scene.folder, name)
  const [ours, theirs] = [await freePort(), await freePort()]
  const options = {
    random: nodeRuntime.random,
    certificate: createCertificate(nodeRuntime.random, Date.now()),
    srtpProfiles: [profiles.SRTP_AES128_CM_SHA1_80],
    fingerprints: [fingerprintOf(new X509Certificate(readFileSync(file('named.pem'))).raw)!],
  }
  const socket = await openSocket(scene, ours)
  const Endpoint = role === 'client' ? DtlsClient : DtlsServer
  const shaking = shakeHands(scene, new Endpoint(options), socket, theirs)
  const pion = await PeerProcess.start(scene, {
    name: 'pion',
    program: join(interopFolder, 'dtls/pion'),
    args: [
      ...['-role', role === 'client' ? 'server' : 'client', '-at', String(theirs), '-to', String(ours)],
      ...['-cert', file(`${certificate}.pem`), '-key', file(`${key}.key`)],
    ],
  })
  return { event: await shaking, pion }
}

const rows = (['client', 'server'] as const).flatMap((role): InteropCase[] => [
  {
    peer: 'pion (DTLS)',
    name: `floe is the ${role}`,
    needs: ['pion dtls', 'openssl'],
    run: async (scene) => {
      const { event, pion } = await meet(scene, role)
      if (event.type !== 'connected') throw new Error(JSON.stringify(event))
      const material = await eventually(() => /^material (\S+)/m.exec(pion.logText())?.[1], {
        what: 'pion has keys',
      })
      expect(materialOf(event, role)).toBe(material)
      return [securityProof(`DTLS-SRTP: floe is the ${role}`, { peer, by: 'both' })]
    },
  },
  {
    peer: 'pion (DTLS)',
    name: `a stolen certificate, floe is the ${role}: floe refuses it`,
    needs: ['pion dtls', 'openssl'],
    run: async (scene) => {
      const { event, pion } = await meet(scene, role, { key: 'thief' })
      expect(event).toMatchObject({
        type: 'failed',
        reason: expect.stringContaining('does not hold the key'),
      })
      expect(pion.logText()).not.toContain('material')
      return [securityProof('stolen certificate: refused', { peer, by: 'both' })]
    },
  },
  {
    peer: 'pion (DTLS)',
    name: `a certificate of his own, floe is the ${role}: floe refuses it`,
    needs: ['pion dtls', 'openssl'],
    run: async (scene) => {
      const { event } = await meet(scene, role, { certificate: 'thief', key: 'thief' })
      expect(event).toMatchObject({
        type: 'failed',
        reason: expect.stringContaining('not the one that its signalling names'),
      })
      return [securityProof('man in the middle: refused', { peer, by: 'both' })]
    },
  },
])

interop(rows)
