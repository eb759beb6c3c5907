import { describe, expect, test } from 'vitest'
import { LineEditor } from '../../../../src/cli/phone/line-editor.ts'

const typed = (text: string): LineEditor => {
  const editor = new LineEditor()
  editor.insert(text)
  return editor
}
const press = (editor: LineEditor, ...names: string[]): string => {
  for (const name of names) {
    const control = /^ctrl-(.)$/.exec(name)
    editor.press(
      control ? { name: control[1], ctrl: true } : name.length === 1 ? { text: name, name } : { name },
    )
  }
  return `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`
}

describe('the prompt line', () => {
  test.each([
    ['bob', ['left', 'left', 'x'], 'bx|ob'],
    ['bob', ['home', 'delete', 'end', 'backspace'], 'o|'],
    ['bob', ['left', 'right', 'right', 'right'], 'bob|'],
    ['dial bob smith', ['ctrl-w'], 'dial bob |'],
    ['dial bob smith', ['ctrl-w', 'ctrl-w'], 'dial |'],
    ['dial bob', ['left', 'left', 'left', 'ctrl-u'], '|bob'],
    ['dial bob', ['home', 'right', 'ctrl-k'], 'd|'],
    ['dial', ['ctrl-a', 'x', 'ctrl-e', 'y'], 'xdialy|'],
    ['a😀b', ['left', 'backspace'], 'a|b'],
    ['a😀b', ['home', 'right', 'delete'], 'a|b'],
    ['', ['backspace', 'delete', 'left', 'right', 'up', 'down'], '|'],
  ])('%s %s', (text, keys, shown) => {
    expect(press(typed(text), ...keys)).toBe(shown)
  })

  test('remembers what was entered, once where it is repeated, and what was being typed', () => {
    const editor = new LineEditor()
    for (const line of ['dial bob', 'dial bob', 'hold']) {
      editor.insert(line)
      expect(editor.submit()).toBe(line)
    }
    editor.insert('half')
    expect(press(editor, 'up')).toBe('hold|')
    expect(press(editor, 'up', 'up', 'up')).toBe('dial bob|')
    expect(press(editor, 'down', 'down', 'down')).toBe('half|')
  })

  test('takes no control characters, and pasted lines as one', () => {
    const editor = typed('one\r\ntwo\x1b[31m\tthree')
    expect(editor.text).toBe('one two[31m three')
    expect(editor.press({ text: '\x1b', name: 'f5' })).toBe(false)
  })
})
