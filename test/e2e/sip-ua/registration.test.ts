// Registrations over real sockets of loopback, whose server is killed and started again at each of their states; and many of them
// in one process.
import { afterEach, describe, expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { type RunningServer, startServer } from '../../../src/serve/server.ts'
import type { Protocol } from '../../../src/sip/flow.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const address = '127.0.0.1'
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !holds(); i++) await pause(20)
  if (!holds()) throw new Error(`20 s have passed, and this has not happened: ${what}`)
}

/** A server at one port, which comes back with an empty memory. */
class Server {
  private running: RunningServer | undefined
  port = 0

  constructor(private readonly protocol: Protocol) {}

  async start(): Promise<void> {
    this.running = await startServer({
      runtime: nodeRuntime,
      listen: [{ protocol: this.protocol, address, port: this.port }],
      users: { alice: 'a1' },
      minimumExpiresSeconds: 1,
    })
    this.port = this.running.sip[0]!.port
  }
  kill(): void {
    this.running?.stop()
    this.running = undefined
  }
  get bindings(): number {
    return this.running?.registrations().length ?? 0
  }
}

type Message = 'REGISTER' | '401' | '200'

describe.each(['udp', 'tcp', 'ws'] as const)(
  'over %s, a server that is killed and started again',
  (protocol) => {
    test.each<[string, Message, number]>([
      ['at the first REGISTER', 'REGISTER', 1],
      ['after its 401', '401', 1],
      ['at the REGISTER with the password', 'REGISTER', 2],
      ['after its 200', '200', 1],
      ['at the refresh', 'REGISTER', 3],
      ['after the 200 of the refresh', '200', 2],
    ])(
      '%s: the phone is registered again, and un-registers',
      { timeout: 60_000 },
      async (_name, message, count) => {
        const server = new Server(protocol)
        await server.start()
        closers.push(() => server.kill())
        let left = count
        let restarted = false
        const agent = await UserAgent.start({
          runtime: nodeRuntime,
          listen: [{ protocol: protocol === 'udp' ? 'udp' : 'tcp', address, port: 0 }],
          record: (fact) => {
            if (fact.type !== 'message' || fact.retransmission || !fact.summary.startsWith(message)) return
            if (--left !== 0) return
            server.kill()
            setTimeout(() => {
              restarted = true
              void server.start()
            }, 300)
          },
        })
        closers.push(() => agent.stop({ deadlineMs: 100 }))
        const registration = agent.register(
          {
            aor: `sip:alice@${address}`,
            password: 'a1',
            server: `sip:${address}:${server.port};transport=${protocol}`,
          },
          { expiresSeconds: 4 },
        )
        await until('the server is back', () => restarted)
        await until(
          'registered again',
          () => server.bindings > 0 && registration.state.state === 'registered',
        )
        await registration.unregister()
        expect(registration.state.state).toBe('unregistered')
        await until('un-registered', () => server.bindings === 0)
      },
    )

    test('at un-REGISTER: that ends all the same', { timeout: 60_000 }, async () => {
      const server = new Server(protocol)
      await server.start()
      closers.push(() => server.kill())
      const agent = await UserAgent.start({
        runtime: nodeRuntime,
        listen: [{ protocol: protocol === 'udp' ? 'udp' : 'tcp', address, port: 0 }],
      })
      closers.push(() => agent.stop({ deadlineMs: 100 }))
      const registration = agent.register({
        aor: `sip:alice@${address}`,
        password: 'a1',
        server: `sip:${address}:${server.port};transport=${protocol}`,
      })
      await until('registered', () => registration.state.state === 'registered')
      server.kill()
      await registration.unregister()
      expect(registration.state.state).toBe('unregistered')
    })
  },
)

test('fifty phones in one process register at one server, are called once each, and leave no socket', {
  timeout: 120_000,
}, async () => {
  const sockets = () => process.getActiveResourcesInfo().filter((name) => /^(UDP|TCP)/.test(name)).length
  const before = sockets()
  const server = await startServer({
    runtime: nodeRuntime,
    listen: [{ protocol: 'udp', address, port: 0 }],
  })
  closers.push(() => server.stop())
  const { port } = server.sip[0]!
  const start = (user: string): Promise<Phone> =>
    Phone.start({
      account: `sip:${user}@${address}`,
      server: `sip:${address}:${port}`,
      listen: [{ protocol: 'udp', address, port: 0 }],
      ice: 'off',
    })
  const phones = await Promise.all(Array.from({ length: 50 }, (_, i) => start(`phone${i}`)))
  closers.push(() => Promise.all(phones.map((phone) => phone.stop())))
  expect(server.registrations()).toHaveLength(50)
  const calls = new Array<number>(50).fill(0)
  for (const [i, phone] of phones.entries())
    phone.onCall = (call) => {
      calls[i]!++
      void call.answer()
    }
  // Each is called by its neighbour.
  for (const [i, phone] of phones.entries()) {
    const call = await phone.call(`sip:phone${(i + 1) % 50}@${address}`)
    await call.answered
    await call.hangUp()
  }
  expect(calls).toEqual(new Array<number>(50).fill(1))
  await Promise.all(phones.map((phone) => phone.stop()))
  expect(server.registrations()).toEqual([])
  server.stop()
  await until('every socket is closed', () => sockets() <= before)
})
