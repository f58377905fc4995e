import { once } from 'node:events';
import { type IncomingMessage, get } from 'node:http';

export type Answers = {
  /** Whether the run's answer comes within the time; has to be asked before it can come. */
  next(run: string, timeoutMs: number): { readonly came: Promise<boolean>; cancel(): void };
  close(): void;
};

/** Listens to the fake model for the runs it has answered. */
export async function listenToAnswers(url: string): Promise<Answers> {
  const request = get(url);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const waiting = new Map<string, (came: boolean) => void>();
  let rest = '';
  response.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const run of lines) waiting.get(run)?.(true);
  });
  // Whether we or the model end it: whoever still waits hears that nothing comes.
  response.on('error', () => {
    for (const settle of waiting.values()) settle(false);
  });
  return {
    next(run, timeoutMs) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const settle = (came: boolean): void => {
        clearTimeout(timer);
        waiting.delete(run);
        resolve(came);
      };
      const timer = setTimeout(settle, timeoutMs, false);
      waiting.set(run, settle);
      return { came: promise, cancel: () => settle(false) };
    },
    close: () => void response.destroy(),
  };
}
