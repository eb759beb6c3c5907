// The prompt line: what is typed, where the cursor stands, what was typed before. Keys come as Node's readline names them.

export interface Key {
  /** What a printable key types. */
  text?: string | undefined
  name?: string | undefined
  ctrl?: boolean | undefined
  meta?: boolean | undefined
}

const maximumHistory = 200

export class LineEditor {
  text = ''
  /** Before this character. */
  cursor = 0
  private readonly history: string[] = []
  /** The entry of the history that is shown; its length: what is being typed. */
  private shown = 0
  private draft = ''

  /** Returns whether the key meant anything to the line. */
  press({ text, name, ctrl, meta }: Key): boolean {
    if (ctrl) return this.control(name)
    switch (name) {
      case 'left':
        return this.move(this.cursor - this.before().length)
      case 'right':
        return this.move(this.cursor + this.after().length)
      case 'home':
        return this.move(0)
      case 'end':
        return this.move(this.text.length)
      case 'up':
        return this.show(this.shown - 1)
      case 'down':
        return this.show(this.shown + 1)
      case 'backspace':
        return this.cut(this.cursor - this.before().length, this.cursor)
      case 'delete':
        return this.cut(this.cursor, this.cursor + this.after().length)
    }
    if (meta || text === undefined || text === '' || /\p{Cc}/u.test(text)) return false
    this.insert(text)
    return true
  }

  /** Text that was typed or pasted; line ends become blanks. */
  insert(text: string): void {
    const clean = text.replaceAll(/[\r\n\t]+/g, ' ').replaceAll(/\p{Cc}/gu, '')
    this.text = this.text.slice(0, this.cursor) + clean + this.text.slice(this.cursor)
    this.cursor += clean.length
  }

  /** Puts `before` in the place of all that stands before the cursor. */
  replaceBefore(before: string): void {
    this.text = before + this.text.slice(this.cursor)
    this.cursor = before.length
  }

  /** Takes the line away; it is remembered. */
  submit(): string {
    const line = this.text.trim()
    if (line !== '' && this.history.at(-1) !== line) this.history.push(line)
    if (this.history.length > maximumHistory) this.history.shift()
    this.clear()
    return line
  }

  clear(): void {
    this.text = ''
    this.cursor = 0
    this.draft = ''
    this.shown = this.history.length
  }

  private control(name: string | undefined): boolean {
    switch (name) {
      case 'a':
        return this.move(0)
      case 'e':
        return this.move(this.text.length)
      case 'b':
        return this.move(this.cursor - this.before().length)
      case 'f':
        return this.move(this.cursor + this.after().length)
      case 'u':
        return this.cut(0, this.cursor)
      case 'k':
        return this.cut(this.cursor, this.text.length)
      case 'w':
        return this.cut(this.text.slice(0, this.cursor).replace(/\S*\s*$/, '').length, this.cursor)
      case 'p':
        return this.show(this.shown - 1)
      case 'n':
        return this.show(this.shown + 1)
      default:
        return false
    }
  }

  /** The characters beside the cursor, whole where they take two units. */
  private before(): string {
    return [...this.text.slice(0, this.cursor)].at(-1) ?? ''
  }

  private after(): string {
    return [...this.text.slice(this.cursor)][0] ?? ''
  }

  private move(to: number): boolean {
    this.cursor = to
    return true
  }

  private cut(from: number, to: number): boolean {
    this.text = this.text.slice(0, from) + this.text.slice(to)
    this.cursor = from
    return true
  }

  private show(index: number): boolean {
    if (index < 0 || index > this.history.length) return true
    if (this.shown === this.history.length) this.draft = this.text
    this.shown = index
    this.text = this.history[index] ?? this.draft
    this.cursor = this.text.length
    return true
  }
}
