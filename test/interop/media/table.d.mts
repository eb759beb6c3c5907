import type { Proof } from '../case.ts'

export function mediaTable(proofs: readonly Proof[], table: Proof['table']): string[]
