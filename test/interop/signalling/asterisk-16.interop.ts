// floe as a phone at Asterisk 16.28, whose pjproject is four years older than that of Asterisk 22: it registers, calls and is called over
// each transport, with ICE and without, holds and resumes. Every row has users of its own.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Scene } from '../case.ts'
import { Asterisk, type User } from '../peers/asterisk.ts'
import { calledBy, holdAndResume, music, phoneOf } from '../peers/asterisk-calls.ts'
import { expectEcho } from '../peers/phone.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { writeTone } from '../sounds.ts'

const users: Record<string, readonly string[]> = {}
/** A user for one row alone. */
function user(...options: string[]): User {
  const name: User = `1${100 + Object.keys(users).length}`
  users[name] = options
  return name
}

const rows: Row<Asterisk>[] = []
const row = (
  feature: string,
  by: Row<Asterisk>['by'],
  name: string,
  run: (scene: Scene, asterisk: Asterisk) => Promise<void>,
) => rows.push({ feature, by, name, run })

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  const over = transport.toUpperCase()
  for (const ice of [true, false]) {
    const number = user(...(ice ? ['ice_support=yes'] : []))
    const name = `over ${over}, ${ice ? 'ICE' : 'no ICE'}: registers, calls, is called`
    row(over, 'both', name, async (scene, asterisk) => {
      const phone = await phoneOf(scene, asterisk, number, {
        server: asterisk.server(transport),
        tls: { ca: readFileSync(asterisk.authority, 'utf8') },
        ice: ice ? 'require' : 'off',
      })
      const call = await phone.call(asterisk.uri('echo'))
      await expectEcho(call)
      expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
      const second = await calledBy(asterisk, phone, number, 'echo')
      await expectEcho(second)
      expect((await second.hangUp()).verdict).toMatchObject({ ok: true })
      await phone.stop()
      expect(await asterisk.hasContact(number)).toBe(false)
    })
  }
}

const holding = [user(), user()] as const
row('hold and resume', 'floe', 'holds: the other hears music; resumes: both hear', (scene, asterisk) =>
  holdAndResume(scene, asterisk, holding),
)

sideBySide({
  peer: 'Asterisk 16',
  needs: ['asterisk 16'],
  start: async (scene) => {
    const file = join(scene.folder, 'music.wav')
    writeTone(file, music, 20_000)
    return await Asterisk.start(scene, { release: 16, users, music: file, secure: true })
  },
  rows,
})
