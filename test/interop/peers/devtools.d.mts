export interface Browser {
  navigate(url: string): Promise<void>
  evaluate(expression: string): Promise<unknown>
  close(): Promise<void>
}

export function openBrowser(options: {
  profile: string
  extraFlags?: readonly string[]
  before?: readonly string[]
  /** A descriptor of a log file. */
  stderr?: number
  onTold?: (line: string) => void
  /** What nobody in the page catches. */
  onWrong?: (message: string) => void
}): Promise<Browser>
