// Values that may have to be waited for. Where none has, everything goes on at once: messages leave in the order they came.

export const chain = <A, B>(value: A | Promise<A>, next: (value: A) => B | Promise<B>): B | Promise<B> =>
  value instanceof Promise ? value.then(next) : next(value)

export const together = <T>(values: readonly (T | Promise<T>)[]): T[] | Promise<T[]> =>
  values.some((value) => value instanceof Promise) ? Promise.all(values) : (values as T[])

/** `start`, with what it throws and what it rejects with brought to `failed`. */
export function settle<T>(
  start: () => T | Promise<T>,
  done: (value: T) => void,
  failed: (error: unknown) => void,
): void {
  try {
    const value = start()
    if (value instanceof Promise) value.then(done).catch(failed)
    else done(value)
  } catch (error) {
    failed(error)
  }
}
