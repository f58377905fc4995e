/** What the command ends with. `trouble`: it looked, and something is wrong, or the server refused it; `away`: something could not be reached. */
export const EXIT = { done: 0, trouble: 1, usage: 2, away: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An end of the command that is no fault of its own: printed as one line, without a stack. */
export class Failure extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** What an error says, without its stack; of a connection that failed to several addresses, the first. */
export function reasonOf(err: unknown): string {
  if (!(err instanceof Error)) return String(err);
  const [first] = err instanceof AggregateError ? (err.errors as unknown[]) : [];
  if (first !== undefined) return reasonOf(first);
  const { cause } = err;
  return cause instanceof Error && (err.message === 'fetch failed' || err.message === '') ? reasonOf(cause) : err.message || err.name;
}
