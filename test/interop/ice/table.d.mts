import type { Measured } from '../case.ts'

export function iceTable(measured: readonly Measured[]): string[]
