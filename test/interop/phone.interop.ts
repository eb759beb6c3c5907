// floe phone as a person uses it: in a terminal (tmux), at Asterisk 22.
import { join } from 'node:path'
import { expect } from 'vitest'
import { type InteropCase, interop, type Scene } from './case.ts'
import { Asterisk } from './peers/asterisk.ts'
import { startPhone } from './peers/phone.ts'
import { Tmux } from './peers/tmux.ts'
import { expectHeard, hello, reply } from './sounds.ts'

const rows: InteropCase[] = []
const row = (name: string, run: (scene: Scene, asterisk: Asterisk, tmux: Tmux) => Promise<void>): void => {
  rows.push({
    peer: 'Asterisk 22, in a terminal',
    name,
    needs: ['asterisk', 'tmux'],
    timeoutMs: 120_000,
    run: async (scene) => {
      const asterisk = await Asterisk.start(scene, { prompt: reply })
      await run(scene, asterisk, Tmux.start(scene, { FLOE_PASSWORD: 'pw1001' }))
    },
  })
}

row(
  'registers, dials, holds, records, writes, and leaves the terminal as it was',
  async (scene, asterisk, tmux) => {
    tmux.floe(`phone --as 1001@${asterisk.address}`)
    await tmux.shows(/✓ 1001@/)
    const file = join(scene.folder, 'heard.wav')
    tmux.enter(`dial echo play=${hello} loop=yes`)
    await tmux.shows(/▶ 1 .*echo@\S+ +in call 00:\d\d +out \S{8} in \S{8}/)
    await tmux.shows(/PCMU · host→host 10\.99\.0\.1:\d+ · loss 0\.0 % · jitter \d+ ms/)
    await tmux.shows(/ in \S*[▃▅▇]/)
    tmux.enter(`record ${file}`)
    await tmux.shows(/· recording/)
    await tmux.shows(/in call 00:1\d/)
    tmux.keys('h')
    await tmux.shows(/echo@\S+ +held 00:/)
    tmux.enter('dial read-dtmf')
    await tmux.shows(/▶ 2 .*in call/)
    for (const digit of '1234') tmux.keys(digit)
    await asterisk.logged(/read digits=1234\b/)
    await tmux.shows(/call 2 with \S+\s+ended after/)
    tmux.resize(60, 16)
    await tmux.shows(/▶ 1 .*held/)
    tmux.resize(80, 24)
    tmux.keys('h')
    await tmux.shows(/▶ 1 .*in call/)
    tmux.keys('x')
    await tmux.shows(/call 1 with \S+ ended after 00:\d\d: hung up/)
    expectHeard(file, hello)
    tmux.enter('message desk see you at five')
    await asterisk.logged(/message for desk: see you at five/)
    await tmux.shows(/ {2}sent: a server keeps it/)
    tmux.enter('quit')
    await tmux.shows(/floe: 2 calls, 0 missed/)
    expect(await asterisk.hasContact('1001')).toBe(false)
    tmux.enter('stty -a')
    await tmux.shows(/[^-]icanon[\s\S]*[^-]echo /)
  },
)

row('is called by another phone, answers by key, and hands it over', async (scene, asterisk, tmux) => {
  tmux.floe(`phone --as 1001@${asterisk.address}`)
  await tmux.shows(/✓ 1001@/)
  const caller = await startPhone(scene, {
    account: `sip:1002@${asterisk.address}`,
    password: 'pw1002',
    ice: 'auto',
  })
  const call = await caller.call('1001')
  await tmux.shows(/▶ 1 .*1002.* +calls you/)
  tmux.keys('a')
  await call.answered
  await tmux.shows(/▶ 1 .*1002.* in call/)
  tmux.enter('transfer echo')
  await tmux.shows(/the other side talks to echo now/)
  await tmux.shows(/call 1 with .* ended/)
  const heard = call.waitToHear(hello, 30_000)
  await call.play(hello)
  await heard
  const missed = await caller.call('1001')
  await tmux.shows(/▶ 2 .*calls you/)
  await missed.hangUp()
  await tmux.shows(/missed call from .*1002/)
  tmux.keys('C-c')
  await tmux.shows(/Ctrl-C once more leaves/)
  tmux.keys('C-c')
  await tmux.shows(/floe: 2 calls, 1 missed/)
})

interop(rows)
