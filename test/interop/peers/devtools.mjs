// Chromium without a window and with an empty profile, steered by the DevTools protocol over a pipe: JSON messages, each ended by
// NUL, on descriptors 3 and 4. One page; what it says by `tellLine(text)` is handed on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'

const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe'],
  ...['--no-first-run', '--no-default-browser-check', '--disable-extensions', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-quic'],
]

const wordsOf = ({ exception, text }) => exception?.description ?? text

/** `before` are words put before the command, as "ip netns exec browser". */
export async function openBrowser({
  profile,
  extraFlags = [],
  before = [],
  stderr = 'inherit',
  onTold,
  onWrong,
}) {
  const words = [...before, 'chromium', ...flags, ...extraFlags, `--user-data-dir=${profile}`, 'about:blank']
  const [program, ...args] = words
  const browser = spawn(program, args, { stdio: ['ignore', 'ignore', stderr, 'pipe', 'pipe'] })
  const ended = once(browser, 'exit')
  const kill = () => browser.kill('SIGKILL')
  process.once('exit', kill)

  const [, , , input, output] = browser.stdio
  input.on('error', () => undefined) // it has ended, which is told when something is waited for
  const waiting = new Map()
  let lastId = 0
  let unfinished = ''
  let session

  output.setEncoding('utf8').on('data', (text) => {
    const messages = (unfinished + text).split('\0')
    unfinished = messages.pop()
    for (const message of messages) take(JSON.parse(message))
  })

  function take({ id, result, error, method, params }) {
    if (method === 'Runtime.bindingCalled') onTold?.(params.payload)
    if (method === 'Runtime.exceptionThrown') onWrong?.(wordsOf(params.exceptionDetails))
    const { resolve, reject } = waiting.get(id) ?? {}
    waiting.delete(id)
    if (error) reject?.(new Error(error.message))
    else resolve?.(result)
  }

  const orEnded = (answer) =>
    Promise.race([
      answer,
      ended.then(([code]) => {
        throw new Error(`Chromium ended with ${code}`)
      }),
    ])

  function command(method, params = {}) {
    const id = ++lastId
    input.write(`${JSON.stringify({ id, method, params, ...(session && { sessionId: session }) })}\0`)
    return orEnded(new Promise((resolve, reject) => waiting.set(id, { resolve, reject })))
  }

  const { targetInfos } = await command('Target.getTargets')
  const { targetId } = targetInfos.find(({ type }) => type === 'page')
  session = (await command('Target.attachToTarget', { targetId, flatten: true })).sessionId
  await command('Runtime.enable')
  await command('Runtime.addBinding', { name: 'tellLine' })

  return {
    /** Whatever the page has of its own before is gone. */
    navigate: async (url) => {
      const { errorText } = await command('Page.navigate', { url })
      if (errorText) throw new Error(`Chromium cannot open ${url}: ${errorText}`)
    },
    /** Waits for promises; gives what can be JSON. */
    evaluate: async (expression) => {
      const { result, exceptionDetails: wrong } = await command('Runtime.evaluate', {
        ...{ expression, awaitPromise: true, returnByValue: true },
      })
      if (wrong) throw new Error(wordsOf(wrong))
      return result.value
    },
    close: async () => {
      session = undefined
      const force = setTimeout(kill, 5_000)
      command('Browser.close').catch(() => undefined)
      await ended
      clearTimeout(force)
      process.off('exit', kill)
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
