// Text messages that come in while a verb runs. What a stranger writes must not steer the terminal.
import type { Phone } from '../index.ts'
import type { Output } from './output.ts'

export function showMessages(phone: Phone, output: Output): void {
  phone.onMessage = (message) => {
    output.event({ type: 'text-message', ...message })
    const harmless = message.text.replace(/[^\P{Cc}\n\t]/gu, ' ')
    output.line(`✉ ${message.displayName ?? message.from}: ${harmless}`)
  }
}
