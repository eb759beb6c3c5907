// --transfer and --follow-transfers: a call that hands its far end over, and one that goes where it is sent.
import type { Command } from 'commander'
import type { Call, CallOptions } from '../index.ts'
import type { Output } from './output.ts'

export interface TransferFlags {
  transfer?: string
  followTransfers?: boolean
}

export function transferFlags(command: Command): Command {
  return command
    .option(
      '--transfer <target>',
      'when all is done, hand the far end over to this target instead of hanging up',
    )
    .option(
      '--follow-transfers',
      'call whom the far end sends us to, and answer whoever takes its place; --hear and the like then speak of that call',
    )
}

/** Hands the far end over; returns what went wrong, in one sentence. */
export async function handOver(call: Call, target: string, output: Output): Promise<string | undefined> {
  output.setStatus(`transferring to ${target}`)
  try {
    await call.transfer(target)
    output.line(`transferred to ${target}`)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Where a call is sent. */
export class FollowedTransfers {
  /** The call that has taken the place of the one that is watched. */
  next: Call | undefined

  /** @param options of the next call; its recording is a file beside the first's */
  constructor(
    call: Call,
    private readonly options: CallOptions,
  ) {
    // What fails is told to the far end, and the call goes on.
    call.onTransfer = (transfer) => {
      transfer.accept(this.nextOptions).then(
        (placed) => this.await(placed),
        () => undefined,
      )
    }
    call.onReplaced = (by) => {
      by.answer(this.nextOptions).then(
        () => {
          this.next = by
        },
        () => undefined,
      )
    }
  }

  /** It counts once it is answered. */
  private await(placed: Call): void {
    placed.answered.then(
      () => {
        this.next = placed
      },
      () => undefined,
    )
  }

  get nextOptions(): CallOptions {
    const { record, recordBoth } = this.options
    return {
      ...this.options,
      ...(record !== undefined && { record: numbered(record) }),
      ...(recordBoth !== undefined && { recordBoth: numbered(recordBoth) }),
    }
  }
}

/** "bob.wav", "bob-2.wav", "bob-3.wav". */
function numbered(path: string): string {
  const [, stem = path, count = '1', extension = ''] = /^(.*?)(?:-(\d+))?(\.[^./\\]*)?$/s.exec(path) ?? []
  return `${stem}-${Number(count) + 1}${extension}`
}
