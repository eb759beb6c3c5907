// Whatever arrives in whatever state, the user agent answers or drops it: no exception leaves it, none is even caught inside.
// A peer that knows the tags of a live call mutates well-formed requests and responses. FUZZ_RUNS=N for more, FUZZ_SEED=N to repeat.
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../../src/sim/random.ts'
import type { IncomingRefer, Session } from '../../../src/sip/session.ts'
import { type Scene, scene, sdp } from '../../unit/sip-ua/scripted-peer.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 1_500)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_124)

const methods = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'INFO',
  'PRACK',
  'UPDATE',
  'REFER',
  'NOTIFY',
  'MESSAGE',
  'SUBSCRIBE',
  'X',
]
const values = [
  '',
  '*',
  '<',
  '"',
  ';',
  ',',
  '\u0000',
  '%zz',
  '<sip:a@b>',
  '<sip:%zz@b>;tag=%',
  '<tel:+1>;tag=1',
  '<sip:[::1]:99999>',
  '99999999999 INVITE',
  '-1 BYE',
  '0 INVITE',
  '2147483647 INVITE',
  'application/sdp',
  'multipart/mixed;boundary=x',
  'gzip',
  'Digest realm="r", nonce="n", qop="auth", stale=true',
  'Digest',
  '100rel',
  '1',
  '<sip:proxy;lr>, <sip:proxy2;lr>',
  '<sip:c@192.0.2.2?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=%0d%0a>',
  '<sip:c@192.0.2.2>;q=0.5, <sip:d@192.0.2.2>',
  'refer;id=1',
  'message-summary',
  'terminated;reason=deactivated;retry-after=1',
  'active;expires=0',
  'call;to-tag=a;from-tag=b',
  'false',
  'x'.repeat(3_000),
]
const names = [
  'Via',
  'From',
  'To',
  'Call-ID',
  'CSeq',
  'Contact',
  'Record-Route',
  'Route',
  'Require',
  'Content-Type',
  'Content-Length',
  'Content-Disposition',
  'Content-Encoding',
  'WWW-Authenticate',
  'Proxy-Authenticate',
  'Retry-After',
  'Min-Expires',
  'Expires',
  'RSeq',
  'Reason',
  'Refer-To',
  'Refer-Sub',
  'Referred-By',
  'Replaces',
  'Event',
  'Subscription-State',
]

const reached = {
  answeredByUs: 0,
  answeredByPeer: 0,
  changed: 0,
  ended: 0,
  referred: 0,
  written: 0,
  notified: 0,
}

async function play(on: Scene, random: SeededRandom, steps: number): Promise<void> {
  const pick = <T>(from: readonly T[]): T => from[random.integer(from.length)]!
  const { agent, peer } = on
  const onRefer = (refer: IncomingRefer): void => {
    reached.referred++
    if (random.integer(3) === 0) refer.reject()
    else {
      const progress = refer.accept()
      progress.tell(180, 'Ringing')
      if (random.integer(2)) progress.tell(200, 'OK')
    }
  }
  agent.onRefer = onRefer
  agent.onMessage = () => reached.written++
  const sessions: Session[] = []
  /** Whatever becomes of it. */
  const ask = (start: () => Promise<unknown>): void => void start().catch(() => undefined)
  agent.onInvite = (session) => {
    sessions.push(session)
    session.handler = {
      onRefer,
      onConfirmed: () => reached.answeredByUs++,
      onReinvite: (reinvite) => {
        reached.changed++
        if (random.integer(2)) reinvite.accept(sdp('re'))
        else reinvite.reject(488)
      },
      onEnded: () => reached.ended++,
    }
    if (random.integer(2)) session.progress(180 + random.integer(4))
    const verdict = random.integer(4)
    if (verdict < 2) session.accept(sdp('answer'))
    else if (verdict === 2) session.reject(400 + random.integer(200))
  }
  const known: string[] = []
  const mutate = (text: string): string => {
    const lines = text.split('\r\n')
    for (let i = random.integer(3); i > 0; i--) {
      const at = 1 + random.integer(lines.length)
      const kind = random.integer(5)
      if (kind === 0) lines.splice(at, 1)
      else if (kind === 1) lines.splice(1, 0, `${pick(names)}: ${pick(values)}`)
      else if (kind === 2 && lines[at]?.includes(':'))
        lines[at] = `${lines[at]!.split(':')[0]}: ${pick(values)}`
      else if (kind === 3) lines[at] = (lines[at] ?? '').slice(random.integer(20))
      else
        lines[0] = pick([
          lines[0]!,
          `SIP/2.0 ${100 + random.integer(600)} x`,
          `${pick(methods)} sip:a@192.0.2.1 SIP/2.0`,
        ])
    }
    return lines.join('\r\n')
  }
  for (let step = 0; step < steps; step++) {
    const choice = random.integer(12)
    const session = sessions.at(-1 - random.integer(4))
    if (choice === 8 && session) ask(() => session.refer('sip:c@192.0.2.3'))
    else if (choice === 9) ask(() => agent.message(peer.uri, { contentType: 'text/plain', content: 'x' }))
    else if (choice === 10) {
      const subscription = agent.subscribe(peer.uri, 'message-summary')
      subscription.onNotify = () => reached.notified++
      if (random.integer(3) === 0) void subscription.stop()
    } else if (choice === 11)
      peer.send(
        pick(['REFER', 'MESSAGE', 'NOTIFY', 'SUBSCRIBE']),
        { 'Refer-To': '<sip:c@192.0.2.2>', Event: 'refer', 'Subscription-State': 'active' },
        { contentType: pick(['text/plain', 'message/sipfrag']), content: 'SIP/2.0 200 OK' },
      )
    if (choice === 0) {
      const session = agent.invite(
        peer.uri,
        {
          onEnded() {},
          onAccepted: (_, acknowledge) => {
            reached.answeredByPeer++
            acknowledge()
          },
        },
        { offer: sdp(), account: { aor: 'sip:alice@x', password: 'p' }, redirects: 3 },
      )
      sessions.push(session)
      if (random.integer(3) === 0) session.hangUp()
    } else if (choice <= 2)
      peer.send(pick(['INVITE', 'INVITE', pick(methods)]), {}, random.integer(2) ? sdp() : undefined)
    // What the agent said comes back: as a response to its requests, as a request in its dialogs.
    for (const message of peer.inbox.splice(0)) {
      if (message.kind === 'request') {
        const before = known.length
        const { raw } = peer
        peer.raw = (text) => known.push(text)
        peer.reply(message, 100 + random.integer(600), { body: sdp('peer'), tag: pick(['peer', 'fork', '']) })
        peer.inDialog(message, pick(['INVITE', pick(methods)]), 1 + random.integer(5), { body: sdp('peer') })
        peer.inDialog(message, pick(['NOTIFY', 'REFER']), 1 + random.integer(9), {
          headers: [
            `Event: ${message.get('Event') ?? 'refer'}`,
            `Subscription-State: ${pick(['active;expires=5', 'terminated;reason=noresource', 'pending'])}`,
            'Refer-To: <sip:c@192.0.2.2>',
          ],
          body: { contentType: 'message/sipfrag', content: `SIP/2.0 ${100 + random.integer(500)} x` },
        })
        peer.raw = raw
        if (random.integer(2)) peer.raw(known[before]!)
        if (random.integer(2)) peer.raw(known.at(-1)!)
      } else if (message.toTag) {
        if (message.status === 200 && random.integer(4) > 0)
          peer.inDialog(message, 'ACK', message.cseq.sequence)
        const { raw } = peer
        peer.raw = (text) => known.push(text)
        peer.inDialog(
          message,
          pick(['INVITE', 'INFO', pick(methods)]),
          message.cseq.sequence + random.integer(4),
          {
            body: sdp('peer'),
          },
        )
        peer.raw = raw
      }
    }
    if (known.length > 0) peer.raw(random.integer(3) === 0 ? pick(known) : mutate(pick(known)))
    if (known.length > 20) known.splice(0, 10)
    if (random.integer(4) === 0) await on.world.clock.advance(pick([3, 3, 3, 20, 600, 33_000]))
  }
}

describe('the user agent under fire', () => {
  it(`survives ${runs} steps (seed ${seed})`, { timeout: 600_000 }, async () => {
    const uncaught: unknown[] = []
    const note = (error: unknown): number => uncaught.push(error)
    process.on('uncaughtException', note).on('unhandledRejection', note)
    let answers = 0
    for (let round = 0; round < Math.ceil(runs / 150); round++) {
      const on = await scene(seed + round)
      const register = on.agent.register({
        aor: 'sip:alice@x',
        password: 'p',
        server: on.peer.uri.replace('bob@', ''),
      })
      register.onState = () => {}
      await play(on, new SeededRandom(seed + round), Math.min(150, runs - round * 150))
      await on.world.clock.advance(70_000)
      answers += on.facts.filter((fact) => fact.type === 'message' && fact.direction === 'sent').length
      expect(on.internalErrors(), `seed ${seed + round}`).toEqual([])
      await on.close()
      expect(on.world.clock.pendingTimers, `seed ${seed + round}`).toBe(0)
    }
    process.off('uncaughtException', note).off('unhandledRejection', note)
    expect(uncaught).toEqual([])
    expect(answers).toBeGreaterThan(runs / 10)
    // The fire reaches every part of a call.
    for (const [state, times] of Object.entries(reached)) expect(times, state).toBeGreaterThan(0)
  })
})
