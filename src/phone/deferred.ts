// A promise settled from outside. Nobody has to be listening: a rejection that no one awaits is not an unhandled one.

export class Deferred<T> {
  readonly promise: Promise<T>
  isSettled = false
  private resolvePromise!: (value: T) => void
  private rejectPromise!: (error: Error) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolvePromise = resolve
      this.rejectPromise = reject
    })
    this.promise.catch(() => undefined)
  }

  resolve(value: T): void {
    this.isSettled = true
    this.resolvePromise(value)
  }

  reject(error: Error): void {
    this.isSettled = true
    this.rejectPromise(error)
  }
}
