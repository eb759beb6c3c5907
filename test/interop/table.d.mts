import type { Shown } from './case.ts'

export function eachOnce<T>(results: readonly T[], fields: readonly (keyof T)[]): T[]
export function signallingTable(shown: readonly Shown[]): string[]
