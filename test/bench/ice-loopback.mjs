// ICE sessions one after another on real loopback sockets in one process; the first is the cold one.
import { nodeRuntime } from '../../dist/runtime/node.js'
import { runSession } from './ice-session.mjs'
import { serveParent } from './processes.mjs'

serveParent(async ({ sessions }) => {
  const results = []
  for (let i = 0; i < sessions; i++) {
    const end = { runtime: nodeRuntime, addresses: ['127.0.0.1'] }
    results.push(await runSession([end, end]))
  }
  return results
})
process.send('ready')
