// floe behind edges: Kamailios that put themselves into Path (RFC 3327), and keep flows (RFC 5626) or not, before a Kamailio that
// is registrar and proxy alone. The phones know the edges, the registrar knows none of the phones' connections.
import { expect } from 'vitest'
import type { Phone, RegistrationState } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Kamailio } from '../peers/kamailio.ts'
import { type KamailioPhoneOptions, registeredPhone } from '../peers/kamailio-phone.ts'
import { connect, expectBothHear } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'

interface Place {
  registrar: Kamailio
  /** Writes Path, and knows nothing of flows. */
  plain: Kamailio
  /** Keeps flows, over every transport. */
  keeping: Kamailio
}

async function start(scene: Scene): Promise<Place> {
  const registrar = await Kamailio.start(scene, { name: 'registrar', flows: true })
  const edgeOf = registrar.address
  const plain = await Kamailio.start(scene, { name: 'plain-edge', edgeOf })
  const keeping = await Kamailio.start(scene, { name: 'edge', edgeOf, flows: true, secure: true })
  return { registrar, plain, keeping }
}

let lastUser = 2000
const user = () => String(++lastUser)

const rows: Row<Place>[] = []
const row = (
  feature: string,
  name: string,
  run: (scene: Scene, place: Place) => Promise<void>,
  timeoutMs = 90_000,
): void => void rows.push({ feature, by: 'both', name, run, timeoutMs })

function registered(phone: Phone): Extract<RegistrationState, { state: 'registered' }> {
  const state = phone.registrationState
  if (state?.state !== 'registered') throw new Error(`the phone is ${state?.state}`)
  return state
}

/** One calls the other, who holds and takes it back: requests of either side find the way in the dialog. */
async function expectCall(from: Phone, to: Phone, uri: string): Promise<void> {
  const [caller, called] = await connect(from, to, uri)
  await expectBothHear(caller, called)
  await called.hold()
  await eventually(() => caller.heldBy.remote, { what: 'it is held' })
  await called.resume()
  await expectBothHear(caller, called)
  await called.hangUp()
  await caller.ended
}

async function expectCallsBothWays(
  scene: Scene,
  registrar: Kamailio,
  options: KamailioPhoneOptions,
): Promise<Phone> {
  const [inside, outside] = [user(), user()]
  const phone = await registeredPhone(scene, registrar, inside, options)
  const other = await registeredPhone(scene, registrar, outside)
  await expectCall(other, phone, registrar.uri(inside))
  await expectCall(phone, other, registrar.uri(outside))
  return phone
}

// ---- Path --------------------------------------------------------------------------------------------------------------------

for (const transport of ['udp', 'tcp'] as const) {
  const over = transport.toUpperCase()
  row(
    'Path',
    `${over}: registers through an edge without flows, is called, calls`,
    async (scene, { registrar, plain }) => {
      const phone = await expectCallsBothWays(scene, registrar, { transport, edges: [plain] })
      expect(registered(phone).server).toBe(plain.server(transport))
    },
  )
}

// ---- flows -------------------------------------------------------------------------------------------------------------------

for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
  const over = transport.toUpperCase()
  row(
    'flows (RFC 5626)',
    `${over}: registers a flow through an edge, is called, calls`,
    async (scene, { registrar, keeping }) => {
      const phone = await expectCallsBothWays(scene, registrar, { transport, edges: [keeping] })
      const { flows } = registered(phone)
      expect(flows).toMatchObject([{ regId: 1, state: 'registered', protocol: transport }])
    },
  )
}

row(
  'flows (RFC 5626)',
  'WSS: where there are no GRUUs, requests in a call find the flow by ob in the Contact',
  async (scene) => {
    const registrar = await Kamailio.start(scene, { name: 'registrar', flows: true, gruu: false })
    const edge = await Kamailio.start(scene, {
      ...{ name: 'edge', edgeOf: registrar.address },
      ...{ flows: true, secure: true },
    })
    const phone = await expectCallsBothWays(scene, registrar, { transport: 'wss', edges: [edge] })
    expect(registered(phone).gruu).toBeUndefined()
  },
)

const bothUp = (phone: Phone): boolean => {
  const { flows } = registered(phone)
  return flows.length === 2 && flows.every(({ state }) => state === 'registered')
}

for (const transport of ['udp', 'tcp'] as const) {
  const over = transport.toUpperCase()
  row(
    'flows (RFC 5626)',
    `${over}: two flows, and the edge of one is killed: calls arrive over the other`,
    async (scene, { registrar }) => {
      const edge = { edgeOf: registrar.address, flows: true } as const
      const first = await Kamailio.start(scene, { name: 'first', ...edge })
      const second = await Kamailio.start(scene, { name: 'second', ...edge })
      const [inside, outside] = [user(), user()]
      const phone = await registeredPhone(scene, registrar, inside, { transport, edges: [first, second] })
      const other = await registeredPhone(scene, registrar, outside)
      await eventually(() => bothUp(phone), { what: 'both flows are registered', withinMs: 20_000 })
      await first.kill()
      await expectCall(other, phone, registrar.uri(inside))
      // Over UDP nothing tells so soon that the server has gone.
      if (transport === 'udp') return
      await expectCall(phone, other, registrar.uri(outside))
      await first.restart()
      await phone.register()
      await eventually(() => bothUp(phone), { what: 'the flow is back', withinMs: 20_000 })
      await second.kill()
      await expectCall(other, phone, registrar.uri(inside))
    },
  )
}

// ---- GRUU --------------------------------------------------------------------------------------------------------------------

for (const [way, transport] of [
  ['directly', 'tcp'],
  ['through an edge', 'tls'],
] as const) {
  row(
    'GRUU',
    `of two phones of an account, registered ${way}, the one rings whose GRUU is called`,
    async (scene, { registrar, keeping }) => {
      const [inside, outside] = [user(), user()]
      const options = { transport, edges: [way === 'directly' ? registrar : keeping] }
      const one = await registeredPhone(scene, registrar, inside, options)
      const two = await registeredPhone(scene, registrar, inside, options)
      const other = await registeredPhone(scene, registrar, outside)
      for (const [phone, sibling] of [
        [one, two],
        [two, one],
      ] as const) {
        const uris = registered(phone).gruu
        let rang = false
        sibling.onCall = () => {
          rang = true
        }
        await expectCall(other, phone, uris?.public ?? 'no public GRUU')
        await expectCall(other, phone, uris?.temporary ?? 'no temporary GRUU')
        expect(rang).toBe(false)
        sibling.onCall = undefined
      }
    },
  )
}

sideBySide({
  peer: 'Kamailio',
  heading: 'Kamailio: edges',
  needs: ['kamailio'],
  start,
  rows,
})
