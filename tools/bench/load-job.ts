/** Where the product's API is. */
export type Target = { readonly url: string; readonly apiKey: string };

/**
 * How runs are posted: so many a second whatever comes back; as fast as replies come back; or so that a number of runs
 * are always in flight, where `answersUrl` tells that a run's model has given its answer. With `isExact` a run is also
 * polled until it has ended before the next one begins.
 */
export type Pace =
  | { readonly kind: 'rate'; readonly perSecond: number }
  | { readonly kind: 'posts'; readonly concurrency: number }
  | { readonly kind: 'runs'; readonly concurrency: number; readonly answersUrl: string; readonly isExact: boolean };

export type Job = {
  readonly target: Target;
  /** Of POST /v1/runs; `{run}` in it becomes the name of each run. */
  readonly body: string;
  /** What the names of this job's runs begin with. */
  readonly prefix: string;
  readonly seconds: number;
  readonly pace: Pace;
};

/** Times in milliseconds since the epoch, with fractions; `sentAtMs` is when it was due at a fixed rate. */
export type Post = { readonly run: string; readonly sentAtMs: number; readonly acceptedAtMs: number; readonly status: number; readonly runId: string | null };

export type JobReport = {
  readonly posts: readonly Post[];
  readonly startedAtMs: number;
  /** When posting ended; what was in flight then was still waited for. */
  readonly endedAtMs: number;
  /** Runs whose answer did not come within 20 s. */
  readonly lost: number;
};
