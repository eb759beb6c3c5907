// The phone where nothing can be drawn (TERM=dumb): what happens as lines, commands as lines.
import { createInterface } from 'node:readline'
import { runCommand } from './commands.ts'
import { answerLines, sentenceOf, timeText } from './sentences.ts'
import type { Switchboard } from './switchboard.ts'
import { harmless } from './text-width.ts'
import { parseWords } from './words.ts'

/** Resolves when the phone shall end: `quit`, or the end of the input. */
export async function plainTerminal(
  board: Switchboard,
  { input, output }: { input: NodeJS.ReadableStream; output: NodeJS.WritableStream },
): Promise<void> {
  const say = (text: string): void => {
    for (const line of text.split('\n')) output.write(`${timeText(board.now())}  ${harmless(line)}\n`)
  }
  board.onEvent = (event) => {
    const sentence = sentenceOf(event, board)
    if (sentence) say(sentence.text)
  }
  const obey = async (line: string): Promise<void> => {
    try {
      const { command, parameters } = parseWords(line)
      for (const text of answerLines(command.name, await runCommand(board, command.name, parameters)))
        say(text)
    } catch (error) {
      say(error instanceof Error ? error.message : String(error))
    }
  }
  say('help lists the commands, quit ends')
  const lines = createInterface({ input, terminal: false })
  lines.on('line', (line) => {
    if (line.trim() !== '') void obey(line)
  })
  await Promise.race([new Promise((resolve) => lines.once('close', resolve)), board.leaving])
  lines.close()
}
