// floe doctor [URI]: what the network lets through, a line a finding.
import type { Command } from 'commander'
import { examine, type Finding, type Mark } from '../index.ts'
import { exitCodes } from './exit-codes.ts'
import {
  type OutputFlags,
  outputForm,
  type PhoneFlags,
  phoneOptions,
  serverFlags,
  withTransport,
} from './flags.ts'
import { Interrupt } from './interrupt.ts'
import { Output } from './output.ts'

interface Flags extends PhoneFlags, OutputFlags {
  lifetime?: boolean
}

const signs = {
  ok: ['good', '✓'],
  warning: ['warn', '!'],
  problem: ['bad', '✗'],
  unknown: ['dim', '?'],
} as const satisfies Record<Mark, readonly [string, string]>

/** Up to where facts begin: below it lines that do not fit go on. */
const labelColumns = 10
const indent = ' '.repeat(labelColumns + 2)

/** What no call can work without: a network and SIP, or a way for media. */
const codeOf = ({ data }: Finding): number => {
  const prevented = data?.['prevented']
  if (prevented === undefined) return exitCodes.ok
  return prevented === 'media' ? exitCodes.ice : exitCodes.transport
}

/** A name lookup or a connection that nobody waits for any more must not hold the process. */
const leaveMs = 200

export function addDoctor(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('doctor [uri]')
    .description('tell what the network lets through to these servers, and what that means for calls')
    .option('--lifetime', 'search how long UDP bindings last, which takes up to 5 minutes')
  outputForm(serverFlags(command)).action(async (uri: string | undefined, flags: Flags) => {
    const output = new Output(flags)
    const { account, server, iceServers, httpProxy, tlsCa, tls, interfaces, dnsServers } = phoneOptions(flags)
    const target =
      uri === undefined ? ([server].flat()[0] ?? account) : withTransport(sipUri(uri), flags.transport)
    const giveUp = new AbortController()
    const findings = examine({
      ...(target !== undefined && { uri: target }),
      ...(iceServers && { iceServers }),
      ...(httpProxy !== undefined && { httpProxy }),
      ...(tlsCa !== undefined && { tlsCa }),
      ...(tls && { tls }),
      ...(interfaces && { interfaces }),
      ...(dnsServers && { dnsServers }),
      ...(flags.lifetime && { lifetime: true }),
      signal: giveUp.signal,
    })
    const interrupt = new Interrupt()
    interrupt.onInterrupt(() => giveUp.abort())
    output.setStatus('examining; Ctrl-C ends')
    let code: number = exitCodes.ok
    for await (const finding of findings) {
      show(finding, output)
      code = codeOf(finding)
    }
    output.clear()
    finish(interrupt.happened ? exitCodes.interrupted : code)
    setTimeout(() => process.exit(), leaveMs).unref()
  })
}

function show(finding: Finding, output: Output): void {
  const { about, family, mark, fact, fix } = finding
  const of = family === undefined ? '' : `(IPv${family}) `
  const [style, sign] = signs[mark]
  output.event({ type: 'finding', ...finding })
  output.line(
    `${output.style(style, sign)} ${output.style('strong', about.padEnd(labelColumns))}${of}${fact}`,
  )
  if (fix !== undefined) output.line(`${indent}→ ${fix}`)
}

/** Whatever else has a scheme is the doctor's to refuse. */
const sipUri = (text: string): string => (/^(sips?|tel|wss?):/i.test(text) ? text : `sip:${text}`)
