// Where a thread that node-thread.ts has started begins: it lets the module serve that it was started for, and says so.
import { parentPort, workerData } from 'node:worker_threads'
import type { Thread } from './runtime.ts'

if (!parentPort) throw new Error('this file is started as a thread by node-thread.ts')
const port = parentPort
const thread: Thread = { post: (message) => port.postMessage(message), onMessage: undefined }
const { serve } = (await import(workerData as string)) as { serve(thread: Thread): Promise<void> }
await serve(thread)
port.on('message', (message: unknown) => thread.onMessage?.(message))
port.postMessage('ready')
