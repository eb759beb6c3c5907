// The programs that play and record sound on the systems that floe runs on, in the order in which they are tried. All take or
// give 16-bit mono PCM at 48 kHz through a pipe, the rate that sound hardware has; floe converts it.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export const soundRateHz = 48_000

export interface SoundTool {
  program: string
  /** @param device as the tool names it; absent: the system's default */
  args(device: string | undefined): string[]
  /** Whether the one that is installed can do it. */
  isAble?(): boolean
  /** Where the device is named by the environment. */
  environment?(device: string): Record<string, string>
}

const given = (flag: string, device: string | undefined): string[] =>
  device === undefined ? [] : [flag, device]
const rate = String(soundRateHz)
const pulse = ['--raw', '--format=s16le', `--rate=${rate}`, '--channels=1', '--latency-msec=40']
const pipewire = ['--raw', '--rate', rate, '--channels', '1', '--format', 's16', '--latency', '40ms']
const alsa = ['-q', '-t', 'raw', '-f', 'S16_LE', '-r', rate, '-c', '1', '--buffer-time=100000']
const sox = ['-q', '-t', 'raw', '-r', rate, '-e', 'signed-integer', '-b', '16', '-c', '1']
const soxDevice = (device: string): Record<string, string> => ({ AUDIODEV: device })

/** How ffmpeg finds a microphone. */
const captures: Partial<Record<NodeJS.Platform, (device: string | undefined) => string[]>> = {
  darwin: (device = 'default') => ['-f', 'avfoundation', '-i', `:${device}`],
  win32: (device = 'default') => ['-f', 'dshow', '-i', `audio=${device}`],
}
const alsaCapture = (device = 'default'): string[] => ['-f', 'alsa', '-i', device]

export const players: readonly SoundTool[] = [
  {
    program: 'pw-cat',
    args: (device) => ['--playback', ...pipewire, ...given('--target', device), '-'],
    isAble: takesRaw,
  },
  { program: 'pacat', args: (device) => ['--playback', ...pulse, ...given('--device', device)] },
  { program: 'aplay', args: (device) => [...alsa, ...given('-D', device), '-'] },
  { program: 'play', args: () => [...sox, '-'], environment: soxDevice },
  {
    program: 'ffplay',
    args: () => ['-nodisp', '-autoexit', '-loglevel', 'error', '-f', 's16le', '-ar', rate, '-i', 'pipe:0'],
  },
]

export const recorders: readonly SoundTool[] = [
  {
    program: 'pw-cat',
    args: (device) => ['--record', ...pipewire, ...given('--target', device), '-'],
    isAble: takesRaw,
  },
  { program: 'parec', args: (device) => [...pulse, ...given('--device', device)] },
  { program: 'arecord', args: (device) => [...alsa, ...given('-D', device), '-'] },
  { program: 'rec', args: () => [...sox, '-'], environment: soxDevice },
  {
    program: 'ffmpeg',
    args: (device) => [
      ...['-nostdin', '-loglevel', 'error'],
      ...(captures[process.platform] ?? alsaCapture)(device),
      ...['-ac', '1', '-ar', rate, '-f', 's16le', 'pipe:1'],
    ],
  },
]

/** Those that this machine has. */
export const present = (tools: readonly SoundTool[]): SoundTool[] =>
  tools.filter(({ program, isAble }) => isOnPath(program) && (isAble?.() ?? true))

/** The older pw-cat wants a file with a header. */
function takesRaw(): boolean {
  const { stdout } = spawnSync('pw-cat', ['--help'], { encoding: 'utf8', timeout: 2_000 })
  return typeof stdout === 'string' && stdout.includes('--raw')
}

function isOnPath(program: string): boolean {
  const names = process.platform === 'win32' ? [`${program}.exe`] : [program]
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) =>
    names.some((name) => {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return statSync(path).isFile()
      } catch {
        return false
      }
    }),
  )
}
