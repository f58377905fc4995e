import { Handover } from '@nightshift/std';
import type { Dispatcher } from 'undici';
import { canceled, transportError } from './model-error.ts';
import { END_GRACE_MS } from './model.client.ts';

/** What a server answers, as it comes. */
export interface Exchange {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Takes the next bytes; null at the end. Rejects with a `ModelError`. */
  next(): Promise<readonly Buffer[] | null>;
  /** Nobody takes any more. With `atEnd` the body may still end by itself, so that its connection can be used again. */
  leave(atEnd: boolean): void;
}

/** Pieces of a body that may wait before their server has to wait too. */
const WAITING_MAX = 16;

/** Sends a POST and resolves when its answer begins; rejects with a `ModelError`. An abort ends it at once, at any time. It handles the dispatcher's own callbacks, since a body stream per request costs more than the parsing. */
export function exchange(dispatcher: Dispatcher, { path, headers, body, signal }: { path: string; headers: Record<string, string>; body: string; signal: AbortSignal }): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(canceled());
    let controller: Dispatcher.DispatchController | undefined;
    let hasEnded = false;
    let grace: NodeJS.Timeout | undefined;
    const bytes: Handover<Buffer> = new Handover<Buffer>(() => controller?.paused && controller.resume());
    const abort = (): void => controller?.abort(OVER);
    const over = (): void => {
      hasEnded = true;
      clearTimeout(grace);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (err: unknown): void => {
      over();
      reject(err);
      bytes.end(err);
    };
    const onAbort = (): void => {
      fail(canceled());
      abort();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const next = async (): Promise<readonly Buffer[] | null> => {
      const { done, value } = await bytes.next();
      return done ? null : value;
    };
    const leave = (atEnd: boolean): void => {
      if (hasEnded) return;
      signal.removeEventListener('abort', onAbort);
      if (atEnd) grace = setTimeout(abort, END_GRACE_MS).unref();
      else abort();
    };
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(started) {
        controller = started;
        if (hasEnded) abort();
      },
      onResponseStart(_controller, status, answered) {
        if (status >= 200) resolve({ status, headers: answered, next, leave });
      },
      onResponseData(started, chunk) {
        bytes.push([chunk]);
        if (bytes.size > WAITING_MAX) started.pause();
      },
      onResponseEnd() {
        over();
        bytes.end();
      },
      onResponseError: (_controller, err) => fail(transportError(err)),
    };
    try {
      dispatcher.dispatch({ path, method: 'POST', headers, body }, handler);
    } catch (err) {
      fail(transportError(err));
    }
  });
}

const OVER = new Error('the exchange is over');

/** The rest of an answer as text, or what there is of it when it is longer than so many bytes. */
export async function readText({ next, leave }: Exchange, bytesMax: number): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (let some = await next(); some; some = await next()) {
    for (const chunk of some) bytes += chunk.length;
    chunks.push(...some);
    if (bytes <= bytesMax) continue;
    leave(false);
    break;
  }
  const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  return { text: whole.toString('utf8', 0, bytesMax), isWhole: bytes <= bytesMax };
}
