// floe as a user of Kamailio's: registered at it, directly or through edges.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { Phone, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import type { Kamailio } from './kamailio.ts'
import { startPhone } from './phone.ts'

export interface KamailioPhoneOptions extends PhoneOptions {
  /** Default "udp". */
  transport?: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'
  /** Where it goes instead of the registrar; several have a flow each. */
  edges?: readonly Kamailio[]
}

export async function registeredPhone(
  scene: Scene,
  registrar: Kamailio,
  number: string,
  options: KamailioPhoneOptions = {},
): Promise<Phone> {
  const { transport = 'udp', edges = [registrar], ...rest } = options
  const account = { account: `sip:${number}@${registrar.address}`, password: `pw${number}` }
  const secure = transport !== 'udp' && transport !== 'tcp'
  const phone = await startPhone(
    scene,
    {
      ...account,
      server: edges.map((edge) => edge.server(transport)),
      ...rest,
      ...(secure && { tls: { ca: edges.map(({ authority }) => readFileSync(authority, 'utf8')).join('') } }),
    },
    number,
  )
  expect(await registrar.hasContact(number)).toBe(true)
  return phone
}
