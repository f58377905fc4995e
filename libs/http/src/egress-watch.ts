import { EgressError } from './egress-error.ts';
import type { Exchange } from './egress-exchange.ts';

/** Ends a request, whatever it is doing, when its time is up or its caller gives up. */
export interface Watch {
  /** Waits for `pending`, but no longer than the request may last. */
  until<T>(pending: Promise<T>): Promise<T>;
  /** Starts an exchange, unless the request is over, and waits for its answer. */
  during<T>(start: () => Exchange<T>): Promise<T>;
  stop(): void;
}

export function startWatch({ timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined }, host: string): Watch {
  let ended: EgressError | null = null;
  let interrupt: ((reason: EgressError) => void) | null = null;

  function end(reason: EgressError): void {
    ended ??= reason;
    interrupt?.(ended);
  }
  const timer = setTimeout(() => end(new EgressError('timeout', `${host} did not answer within ${timeoutMs} ms`)), timeoutMs);
  const onAbort = () => end(new EgressError('aborted', `the request to ${host} was canceled`));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });

  return {
    until(pending) {
      return new Promise((resolve, reject) => {
        if (ended !== null) reject(ended);
        interrupt = reject;
        pending.then(resolve, reject);
      });
    },
    during(start) {
      if (ended !== null) return Promise.reject(ended);
      const current = start();
      interrupt = current.abort;
      return current.response;
    },
    stop() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
