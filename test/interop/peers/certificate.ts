// A certificate for a server of a row, and the authority that signed it.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scene } from '../case.ts'
import { programPath } from '../installed.ts'

const run = promisify(execFile)

/** What `--tls-ca` takes. */
export const authorityFile = (scene: Pick<Scene, 'folder'>): string => join(scene.folder, 'ca.pem')

/** An authority of our own signs a certificate: `server.pem` and `server.key` in the row's folder. @param names "IP:192.0.2.1", "DNS:turn.example" */
export async function makeCertificate(scene: Pick<Scene, 'folder'>, names: readonly string[]): Promise<void> {
  const file = (name: string): string => join(scene.folder, name)
  const openssl = async (...args: string[]) => await run(programPath('openssl') ?? 'openssl', args)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    ...['req', '-x509', ...key, '-days', '30', '-subj', '/CN=floe lab authority'],
    ...['-keyout', file('ca.key'), '-out', authorityFile(scene)],
  )
  await openssl(
    ...['req', ...key, '-subj', '/CN=server', '-keyout', file('server.key'), '-out', file('server.csr')],
  )
  writeFileSync(file('san.cnf'), `subjectAltName=${names.join(',')}\n`)
  await openssl(
    ...['x509', '-req', '-in', file('server.csr'), '-CA', authorityFile(scene), '-CAkey', file('ca.key')],
    ...['-set_serial', '1', '-days', '30', '-extfile', file('san.cnf'), '-out', file('server.pem')],
  )
}
