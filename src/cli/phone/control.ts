// The phone for programs: one command in JSON a line on stdin, one object a line on stdout, its answer or an event.
//
//   {"id":1,"command":"dial","target":"bob"}   ->   {"id":1,"ok":true,"call":"1"}
//                                                   {"event":"call","call":"1","state":"ringing",...}
//
// Commands run beside each other; each is answered when it is done, under its own id. A line that cannot be understood is
// answered with an error and ends nothing. The end of stdin ends the phone, as `quit` does.
import { FloeError, UsageError } from '../../index.ts'
import { runCommand } from './commands.ts'
import type { Switchboard } from './switchboard.ts'

/** Longer ones are refused without being kept. */
const maximumLineCharacters = 65_536
/** Commands that are under way when stdin ends may be finished for so long. */
const farewellMs = 2_000
/** What a reader that has stalled is not sent: levels, which are old by the time it reads on. */
const stalledBytes = 1_048_576

export interface ControlStreams {
  input: NodeJS.ReadableStream
  output: Pick<NodeJS.WritableStream, 'write'> & { writableLength?: number }
}

/** Resolves when the phone shall end: `quit`, or the end of the input. */
export async function control(board: Switchboard, { input, output }: ControlStreams): Promise<void> {
  const say = (object: object): void => {
    output.write(`${JSON.stringify(object, roundedNumbers)}\n`)
  }
  board.onEvent = (event) => {
    if (event.event !== 'levels' || (output.writableLength ?? 0) < stalledBytes) say(event)
  }
  const underWay = new Set<Promise<void>>()
  const take = (line: string): void => {
    const done = obey(board, line).then(say)
    underWay.add(done)
    void done.then(() => underWay.delete(done))
  }
  const ended = linesOf(input, take, () =>
    say(failure(undefined, new UsageError(`a line is longer than ${maximumLineCharacters} characters`))),
  )
  await Promise.race([ended, board.leaving])
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, farewellMs)
  })
  await Promise.race([Promise.all(underWay), board.leaving, enough])
  clearTimeout(timer)
}

/** Never rejects: what is wrong is the answer. */
async function obey(board: Switchboard, line: string): Promise<Record<string, unknown>> {
  let id: unknown
  try {
    const message: unknown = parse(line)
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      throw new UsageError('a command is a JSON object: {"id":1,"command":"dial","target":"bob"}')
    const { id: given, command, ...parameters } = message as Record<string, unknown>
    id = given
    if (typeof command !== 'string') throw new UsageError('"command" is missing, or is no text')
    return { ...(id !== undefined && { id }), ok: true, ...(await runCommand(board, command, parameters)) }
  } catch (error) {
    return failure(id, error)
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new UsageError('a line is not JSON')
  }
}

function failure(id: unknown, error: unknown): Record<string, unknown> {
  const { status } = error as { status?: number }
  return {
    ...(id !== undefined && { id }),
    ok: false,
    error: error instanceof Error ? error.message : String(error),
    code: error instanceof FloeError ? error.code : 'INVARIANT',
    ...(typeof status === 'number' && status > 0 && { status }),
  }
}

/** Calls back for each line but blank ones; resolves when there is nothing more to read. */
function linesOf(
  input: NodeJS.ReadableStream,
  onLine: (line: string) => void,
  onTooLong: () => void,
): Promise<void> {
  let begun = ''
  let skipping = false
  const take = (line: string): void => {
    if (line.trim() !== '') onLine(line)
  }
  input.setEncoding('utf8')
  input.on('data', (chunk: string) => {
    const pieces = (begun + chunk).split('\n')
    begun = pieces.pop() ?? ''
    for (const piece of pieces) {
      if (!skipping) {
        if (piece.length > maximumLineCharacters) onTooLong()
        else take(piece)
      }
      skipping = false
    }
    if (begun.length <= maximumLineCharacters) return
    if (!skipping) onTooLong()
    begun = ''
    skipping = true
  })
  return new Promise((resolve) => {
    const finish = (): void => {
      if (!skipping) take(begun)
      begun = ''
      resolve()
    }
    input.once('end', finish)
    input.once('error', finish)
  })
}

/** Times and measures need no more digits than that. */
const roundedNumbers = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Math.round(value * 1_000) / 1_000 : value
