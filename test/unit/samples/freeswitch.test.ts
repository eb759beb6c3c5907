// The samples for FreeSWITCH, which is not to be had here: well-formed, and holding each setting that their README explains.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseXml, type XmlElement } from '../../../src/phone/xml.ts'

const folder = 'samples/freeswitch'
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.xml'),
)
const readme = readFileSync(join(folder, 'README.md'), 'utf8')

test.each(files)('%s is well-formed and named in the README', (name) => {
  expect(parseXml(readFileSync(join(folder, name), 'utf8'))).toBeDefined()
  expect(readme).toContain(name)
})

test('the profile sets what the README explains, and no setting twice', () => {
  const profile = parseXml(readFileSync(join(folder, 'sip_profiles/floe.xml'), 'utf8'))!
  const params = (element: XmlElement): string[] => [
    ...(element.name === 'param' ? [element.attributes['name']!] : []),
    ...element.children.flatMap(params),
  ]
  const names = params(profile)
  expect(new Set(names).size).toBe(names.length)
  const explained = [...readme.matchAll(/^\| (`.*?) \|/gm)]
    .flatMap(([, cell]) => [...cell!.matchAll(/`([a-z0-9-]+)`/g)])
    .map(([, name]) => name!)
    .filter((name) => name.includes('-'))
  expect(explained.length).toBeGreaterThan(10)
  for (const name of explained) expect(names).toContain(name)
})
