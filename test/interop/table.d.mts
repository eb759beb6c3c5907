import type { Shown } from './case.ts'

export function shownOnce(shown: readonly Shown[]): Shown[]
export function signallingTable(shown: readonly Shown[]): string[]
