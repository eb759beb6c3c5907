// Linear prediction of a piece of sound: its autocorrelation, and by the recursion of Levinson and Durbin the reflection
// coefficients of the all-pole filter that would make such sound of white noise.

let windowed = new Float64Array(0)

/** Of the frame under a Hann window: `into[lag]`, for as many lags as it holds. */
export function autocorrelate(frame: Int16Array, into: Float64Array): void {
  const { length } = frame
  if (windowed.length !== length) windowed = new Float64Array(length)
  for (let i = 0; i < length; i++)
    windowed[i] = frame[i]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / length))
  for (let lag = 0; lag < into.length; lag++) {
    let sum = 0
    for (let i = lag; i < length; i++) sum += windowed[i]! * windowed[i - lag]!
    into[lag] = sum
  }
}

const longestOrder = 16
const coefficients = new Float64Array(longestOrder + 1)
const previous = new Float64Array(longestOrder + 1)

/**
 * Fills `into` with reflection coefficients, as many as it holds and `autocorrelation` has lags; negative where neighbours are
 * alike, as in low-pass noise (A(z) = 1 + k z^-1). Returns the energy that is left unexplained: 0 where all is explained.
 */
export function reflect(autocorrelation: Float64Array, into: Float64Array): number {
  let error = autocorrelation[0]!
  into.fill(0)
  coefficients.fill(0)
  const order = Math.min(into.length, autocorrelation.length - 1, longestOrder)
  for (let m = 1; m <= order && error > 0; m++) {
    let sum = autocorrelation[m]!
    for (let i = 1; i < m; i++) sum += coefficients[i]! * autocorrelation[m - i]!
    const reflection = -sum / error
    previous.set(coefficients)
    for (let i = 1; i < m; i++) coefficients[i] = previous[i]! + reflection * previous[m - i]!
    coefficients[m] = reflection
    into[m - 1] = reflection
    error *= 1 - reflection * reflection
  }
  return Math.max(0, error)
}
