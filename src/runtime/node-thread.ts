// Threads of Node that run a module of floe's own. Where one cannot be had (no rights, a bundle without the file) there is none, and
// its work stays in the main thread. None keeps the process alive. What runs in it begins in node-thread-entry.ts.
import { Worker } from 'node:worker_threads'
import type { StartedThread } from './runtime.ts'

export function startThread(module: URL): Promise<StartedThread | undefined> {
  return new Promise((resolve) => {
    let worker: Worker
    try {
      worker = new Worker(new URL('./node-thread-entry.js', import.meta.url), {
        workerData: module.href,
        name: 'floe',
        // What was to be loaded or measured with the program is not the thread's.
        execArgv: [],
      })
    } catch {
      resolve(undefined)
      return
    }
    const thread: StartedThread = {
      post: (message) => worker.postMessage(message),
      onMessage: undefined,
      onEnd: undefined,
    }
    worker.once('message', () => {
      worker.on('message', (message: unknown) => thread.onMessage?.(message))
      worker.unref()
      resolve(thread)
    })
    // Its end follows.
    worker.on('error', () => undefined)
    worker.on('exit', () => {
      resolve(undefined)
      thread.onEnd?.()
    })
  })
}
