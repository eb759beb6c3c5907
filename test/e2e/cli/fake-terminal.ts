// A terminal in memory: keys go in, and what is written is drawn on a grid as a terminal does, for the sequences that floe uses.
// Any other sequence is a failure.
import { PassThrough, Writable } from 'node:stream'

export class FakeTerminal {
  readonly input: PassThrough & { setRawMode: (raw: boolean) => void }
  readonly output: Writable & { columns: number; rows: number }
  raw = false
  alternate = false
  bells = 0
  private grid: string[][] = []
  private row = 0
  private column = 0
  private readonly watchers = new Set<() => void>()

  constructor(columns = 80, rows = 24) {
    this.input = Object.assign(new PassThrough(), {
      setRawMode: (raw: boolean) => {
        this.raw = raw
      },
    })
    const output = new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        this.draw(String(chunk))
        for (const watcher of this.watchers) watcher()
        done()
      },
    })
    this.output = Object.assign(output, { columns, rows })
    this.clear()
  }

  type(text: string): void {
    this.input.write(text)
  }

  resize(columns: number, rows: number): void {
    Object.assign(this.output, { columns, rows })
    this.clear()
    this.output.emit('resize')
  }

  get picture(): string {
    return this.grid.map((line) => line.join('').trimEnd()).join('\n')
  }

  /** With every entry of the log on one line. */
  private get unbroken(): string {
    return this.picture.replaceAll(/\n {10}(?=\S)/g, ' ')
  }

  /** The line with the prompt. */
  get prompt(): string {
    return this.picture.split('\n').at(-1) ?? ''
  }

  /** Resolves when the picture shows this. */
  shows(what: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the terminal never showed ${what}:\n${this.picture}`)),
        20_000,
      )
      const look = () => {
        if (!what.test(this.picture) && !what.test(this.unbroken)) return
        clearTimeout(timer)
        this.watchers.delete(look)
        resolve()
      }
      this.watchers.add(look)
      look()
    })
  }

  private clear(): void {
    const { columns, rows } = this.output
    this.grid = Array.from({ length: rows }, () => Array.from({ length: columns }, () => ' '))
  }

  private draw(text: string): void {
    for (const [token] of text.matchAll(/\x1b\[[?0-9;]*[A-Za-z]|[^\x1b]|\x1b/gu)) {
      const [, parameters = '', letter] = /^\x1b\[([?0-9;]*)([A-Za-z])$/.exec(token) ?? []
      if (letter !== undefined) this.sequence(parameters, letter)
      else if (token === '\x07') this.bells++
      else if (/\p{Cc}/u.test(token))
        throw new Error(`a control character was written: ${JSON.stringify(token)}`)
      else this.put(token)
    }
  }

  private put(character: string): void {
    const line = this.grid[this.row]
    if (!line || this.column >= line.length)
      throw new Error(`"${character}" beyond the edge at ${this.row},${this.column}`)
    line[this.column++] = character
  }

  private sequence(parameters: string, letter: string): void {
    const [first = 1, second = 1] = parameters.split(';').map(Number)
    switch (`${letter}${parameters.startsWith('?') ? parameters : ''}`) {
      case 'H':
        this.row = first - 1
        this.column = second - 1
        return
      case 'K':
        this.grid[this.row]?.fill(' ', this.column)
        return
      case 'J':
        this.clear()
        return
      case 'h?1049':
      case 'l?1049':
        this.alternate = letter === 'h'
        this.clear()
        return
      case 'h?25':
      case 'l?25':
      case 'h?2004':
      case 'l?2004':
      case 'm':
        return
      default:
        throw new Error(`an unknown sequence was written: ESC [ ${parameters} ${letter}`)
    }
  }
}
