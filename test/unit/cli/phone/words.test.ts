import { describe, expect, test } from 'vitest'
import { commands } from '../../../../src/cli/phone/commands.ts'
import { parseWords, usage } from '../../../../src/cli/phone/words.ts'

const parsed = (text: string) => {
  const { command, parameters } = parseWords(text)
  return [command.name, parameters]
}

describe('the words of the prompt', () => {
  test.each([
    ['dial bob', 'dial', { target: 'bob' }],
    ['dial 007', 'dial', { target: '007' }],
    ['  d   sip:bob@pbx.example;transport=tcp ', 'dial', { target: 'sip:bob@pbx.example;transport=tcp' }],
    ['dial bob play=media/a.wav loop=yes', 'dial', { target: 'bob', play: 'media/a.wav', loop: true }],
    ['dial play="my files/a.wav" bob', 'dial', { target: 'bob', play: 'my files/a.wav' }],
    [
      'message bob see you  at "five o\'clock"',
      'message',
      { target: 'bob', text: "see you at five o'clock" },
    ],
    ['message bob account=alice 1+1=2', 'message', { target: 'bob', account: 'alice', text: '1+1=2' }],
    ['digits 12# 2', 'digits', { digits: '12#', call: '2' }],
    ['reject 1 603', 'reject', { call: '1', status: 603 }],
    ['levels 500', 'levels', { intervalMs: 500 }],
    ['play my file.wav', 'play', { what: 'my file.wav' }],
    ['ans', 'answer', {}],
    ['a 2', 'answer', { call: '2' }],
    ['/quit', 'quit', {}],
    ['?', 'help', {}],
    ['HANG-UP', 'hang-up', {}],
    ['res', 'resume', {}],
  ])('%s', (text, name, parameters) => {
    expect(parsed(text)).toEqual([name, parameters])
  })

  test.each([
    ['fly', 'there is no command "fly": help lists them'],
    ['ac', '"ac" may be accept-transfer or accounts'],
    ['quit now', 'quit takes nothing after it: "now" is too much'],
  ])('%s is refused', (text, sentence) => {
    expect(() => parseWords(text)).toThrow(expect.objectContaining({ message: sentence }))
  })

  test('usage is in words, what may be left out in brackets', () => {
    const named = (name: string) => usage(commands.find((command) => command.name === name)!)
    expect(named('message')).toBe('message TARGET TEXT [account=…]')
    expect(named('reject')).toBe('reject [CALL] [STATUS]')
    expect(named('quit')).toBe('quit')
  })
})
