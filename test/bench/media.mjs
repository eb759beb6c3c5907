// Media: pacing and processor time of many streams over UDP, what a stream costs without sockets, garbage, SRTP, DTLS, and the delay
// from file to recording. --only=pacing|cost|codecThreads|conference|garbage|srtp|dtls|delay|profile for one of them; --save writes results/media.json.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { measureCodecThreads } from './codec-threads.mjs'
import { measureConference } from './conference.mjs'
import { measureDtls } from './dtls.mjs'
import { measureGarbage } from './garbage.mjs'
import { measureGlassToGlass } from './glass-to-glass.mjs'
import { mediaTables } from './media-tables.mjs'
import { measurePacing, profileCalls } from './rtp.mjs'
import { measureSrtp } from './srtp.mjs'
import { measureStreamCost } from './stream-cost.mjs'

const file = fileURLToPath(new URL('results/media.json', import.meta.url))

export async function benchMedia({ only, save, ...options }) {
  const results = {}
  const parts = {
    cost: async () => ({ cost: await measureStreamCost(options) }),
    codecThreads: async () => ({ codecThreads: await measureCodecThreads(options) }),
    conference: async () => ({ conference: await measureConference(options) }),
    garbage: async () => ({ garbage: await measureGarbage(options) }),
    srtp: async () => ({ srtp: await measureSrtp(options) }),
    dtls: async () => ({ dtls: await measureDtls(options) }),
    delay: async () => ({ delay: await measureGlassToGlass(options) }),
    pacing: () => measurePacing(options),
    profile: async () => void (await profileCalls(options)),
  }
  for (const [name, part] of Object.entries(parts)) {
    if (only && only !== name) continue
    const measured = (await part()) ?? {}
    Object.assign(results, measured)
    for (const [table, lines] of Object.entries(mediaTables(measured)))
      console.log(`\n${table}\n${lines.join('\n')}`)
  }
  if (save) writeFileSync(file, `${JSON.stringify({ ...known(), ...results }, null, 2)}\n`)
}

const known = () => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}
