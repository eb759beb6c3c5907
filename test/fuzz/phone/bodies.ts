// Bodies of notifications, mutated mildly enough to reach the inside of their parsers.
import type { SeededRandom } from '../../../src/sim/random.ts'

/** A well-formed body of each package. */
export const seeds = [
  'Messages-Waiting: yes\r\nMessage-Account: sip:a@b\r\nVoice-Message: 4/8 (1/2)\r\n',
  '<dialog-info version="1" state="full" entity="sip:a@b"><dialog id="x" call-id="y" direction="initiator"><state>early</state><remote><identity display="n">sip:c@d</identity></remote></dialog></dialog-info>',
  '<?xml version="1.0"?><p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:a@b"><p:tuple id="t"><p:status><p:basic>open</p:basic></p:status><p:note>n</p:note></p:tuple></p:presence>',
]
/** What parsers stumble over. */
const pieces = [
  '<',
  '>',
  '</',
  '/>',
  '&',
  '&lt;',
  '&#x110000;',
  '&#0;',
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '<?',
  '?>',
  '<!DOCTYPE',
  '<!ENTITY',
  '"',
  "'",
  '=',
  '\u0000',
  '\ud800',
  '\uffff',
  ':',
  'xmlns',
  '9'.repeat(40),
  '\r\n',
  '/',
  '(',
  '<dialog id="x">',
  '<tuple>',
  '__proto__',
]

export function mutated(text: string, random: SeededRandom): string {
  const pick = <T>(from: readonly T[]): T => from[random.integer(from.length)]!
  for (let i = random.integer(6); i > 0; i--) {
    const at = random.integer(text.length + 1)
    const cut = random.integer(3) === 0 ? random.integer(20) : 0
    const put = random.integer(4) === 0 ? text.slice(random.integer(text.length)) : pick(pieces)
    text = text.slice(0, at) + put + text.slice(at + cut)
  }
  return text
}
