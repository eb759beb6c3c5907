// Seeded mutation of SIP messages: the torture messages where they are there, and one of our own.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { inviteText } from '../../unit/sip-wire/messages.ts'

export const corpus: Buffer[] = [Buffer.from(inviteText())]
for (const part of ['valid', 'invalid']) {
  const folder = `../shared/vectors/rfc4475/${part}`
  if (existsSync(folder))
    for (const file of readdirSync(folder)) corpus.push(readFileSync(`${folder}/${file}`))
}

const grains = [
  '\r\n',
  '\r',
  '\n',
  '\0',
  '"',
  '\\',
  '<',
  '>',
  ';',
  ',',
  ':',
  '@',
  '%',
  '[',
  ']',
  '::',
  ' ',
  '\t',
  '=',
  '/',
  '?',
]
const words = [
  'SIP/2.0',
  'Via: ',
  'v:',
  'l: 5',
  'Content-Length: 99999999999999999999',
  'Contact: *',
  ';rport',
  ';received=[::1]',
  'é',
  '\ud83d',
]

export function mutate(bytes: Buffer, random: (max: number) => number): Buffer {
  let result = Buffer.from(bytes)
  for (let n = 1 + random(6); n > 0; n--) {
    const at = random(result.length + 1)
    const until = Math.min(result.length, at + random(40))
    const piece =
      random(3) === 0
        ? Buffer.from(words[random(words.length)]!)
        : Buffer.from(grains[random(grains.length)]!.repeat(1 + random(3)))
    switch (random(5)) {
      case 0:
        result = Buffer.concat([result.subarray(0, at), piece, result.subarray(at)])
        break
      case 1:
        result = Buffer.concat([result.subarray(0, at), result.subarray(until)])
        break
      case 2:
        result = Buffer.concat([result.subarray(0, until), result.subarray(at)])
        break
      case 3:
        if (at < result.length) result[at] = random(256)
        break
      default:
        result = result.subarray(0, at)
    }
  }
  return result
}

export const randomBytes = (random: (max: number) => number): Buffer => {
  const bytes = Buffer.alloc(random(200))
  for (let i = 0; i < bytes.length; i++) bytes[i] = random(256)
  return bytes
}
