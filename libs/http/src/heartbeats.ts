/** How often something is said on an event stream that is silent, so that nobody on the way takes it for dead. */
export const HEARTBEAT_MS = 15_000;

const HEARTBEAT = ': ping\n\n';

/** The pieces of an event stream, which end where events do, with a comment whenever none has come for `everyMs`. */
export async function* withHeartbeats(pieces: AsyncIterable<string>, everyMs: number = HEARTBEAT_MS): AsyncGenerator<string> {
  const source = pieces[Symbol.asyncIterator]();
  let next = source.next();
  try {
    for (;;) {
      const silence = silent(everyMs);
      const result = await Promise.race([next, silence.over]).finally(silence.stop);
      if (result?.done) return;
      yield result ? result.value : HEARTBEAT;
      if (result) next = source.next();
    }
  } finally {
    await source.return?.();
  }
}

function silent(ms: number): { over: Promise<undefined>; stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined).unref();
  });
  return { over, stop: () => clearTimeout(timer) };
}
