// The profile file: accounts and their settings under names, in YAML, so that passwords stand on no command line.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { nodeRuntime, UsageError } from '../index.ts'

/** Who may call. */
interface CallerSettings {
  allow?: string[]
  /** Passwords by user name. */
  callers?: Record<string, string>
}

/** FLOE_CONFIG, or floe/config.yaml in the user's configuration folder. */
function profileFile(): string {
  const { FLOE_CONFIG, XDG_CONFIG_HOME, APPDATA } = process.env
  return FLOE_CONFIG ?? join(XDG_CONFIG_HOME ?? APPDATA ?? join(homedir(), '.config'), 'floe', 'config.yaml')
}

const profileKeys = new Set([
  'as',
  'username',
  'password',
  'server',
  'route',
  'dns',
  'transport',
  'bind',
  'ice',
  'stun',
  'turn',
  'turnPassword',
  'turnSecret',
  'httpProxy',
  'tlsCa',
  'tlsCert',
  'tlsKey',
  'tlsInsecure',
  'tlsKeyLog',
  'trickle',
  'iceLite',
  'iceTcp',
  'interface',
  'codec',
  'ptime',
  'silenceSuppression',
  'srtp',
  'srtpKeying',
  'srtpSuite',
  'threads',
  'allow',
  'callers',
])

/** Throws UsageError; what the file holds is not repeated. */
export function readProfile(name: string): CallerSettings & Record<string, unknown> {
  const file = profileFile()
  if (!existsSync(file))
    throw new UsageError(
      `profile "${name}" needs the file ${file}, which does not exist: write it as the README shows`,
    )
  const text = nodeRuntime.files.readText(file)
  let content: unknown
  try {
    content = parseYaml(text)
  } catch (error) {
    // Only the first line: what follows may quote the file, and with it a password.
    throw new UsageError(
      `${file} is not YAML: ${String(error instanceof Error ? error.message : error).split(/ at |\n/)[0]}`,
    )
  }
  const profiles = (content as { profiles?: Record<string, unknown> } | null)?.profiles
  const profile = profiles?.[name]
  if (typeof profile !== 'object' || profile === null)
    throw new UsageError(
      `${file} has no profile "${name}"; it has: ${Object.keys(profiles ?? {}).join(', ') || 'none'}`,
    )
  for (const key of Object.keys(profile))
    if (!profileKeys.has(key))
      throw new UsageError(
        `profile "${name}" in ${file} has an unknown setting "${key}"; known are ${[...profileKeys].join(', ')}`,
      )
  const {
    route,
    dns,
    stun,
    turn,
    codec,
    ptime,
    threads,
    silenceSuppression,
    srtpSuite,
    iceLite,
    iceTcp,
    tlsInsecure,
    tlsKeyLog,
    interface: interfaces,
    allow,
    callers,
    ...rest
  } = profile as Record<string, unknown>
  const yes = (value: unknown): boolean | undefined => (value === undefined ? undefined : value === true)
  const list = (value: unknown): string[] | undefined =>
    value === undefined ? undefined : (Array.isArray(value) ? value : [value]).map(String)
  const asText = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, String(value)]))
  return withoutUndefined({
    ...asText,
    route: list(route),
    dns: list(dns),
    stun: list(stun),
    turn: list(turn),
    codec: list(codec),
    ptime: ptime === undefined ? undefined : Number(ptime),
    threads: threads === undefined ? undefined : Number(threads),
    srtpSuite: list(srtpSuite),
    interface: list(interfaces),
    allow: list(allow),
    callers: callersOf(callers, name),
    silenceSuppression: yes(silenceSuppression),
    iceLite: yes(iceLite),
    iceTcp: yes(iceTcp),
    tlsInsecure: yes(tlsInsecure),
    tlsKeyLog: tlsKeyLog === true ? true : tlsKeyLog === undefined ? undefined : String(tlsKeyLog),
  }) as CallerSettings & Record<string, unknown>
}

function callersOf(callers: unknown, profile: string): Record<string, string> | undefined {
  if (callers === undefined) return undefined
  if (typeof callers !== 'object' || callers === null || Array.isArray(callers))
    throw new UsageError(`"callers" in profile "${profile}" names nobody: write callers: { alice: password }`)
  return Object.fromEntries(Object.entries(callers).map(([user, password]) => [user, String(password)]))
}

export function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T
}
