import type { MessagePort, Worker } from 'node:worker_threads';

/** What one side asks the other, or tells it (`call` 0: nobody waits for the answer), and what is answered. */
type Frame = { readonly call: number; readonly name: string; readonly value: unknown } | { readonly answer: number; readonly value: unknown; readonly error?: Error };

type Handler = (value: never) => unknown;

/** Calls between two threads, which may pass whatever can be cloned. What is sent together travels together. */
export class ThreadLink {
  readonly #port: Pick<MessagePort | Worker, 'postMessage'>;
  readonly #handlers = new Map<string, Handler>();
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (err: Error) => void }>();
  readonly #failed: ((err: Error) => void)[] = [];
  #calls = 0;
  #outgoing: Frame[] = [];
  #failure: Error | undefined;

  constructor(port: MessagePort | Worker) {
    this.#port = port;
    port.on('message', (frames: readonly Frame[]) => frames.forEach((frame) => this.#take(frame)));
  }

  /** False once the other side is gone. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Answers the other side's calls of `name`. */
  serve<In>(name: string, handler: (value: In) => unknown): void {
    this.#handlers.set(name, handler as Handler);
  }

  /** Calls the other side; rejects with its error, or at once when `value` cannot be cloned or nobody is there any more. */
  call<Out>(name: string, value?: unknown): Promise<Out> {
    if (this.#failure) return Promise.reject(this.#failure);
    const call = (this.#calls += 1);
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#send({ call, name, value });
    }) as Promise<Out>;
  }

  /** Tells the other side something that has no answer. */
  tell(name: string, value?: unknown): void {
    this.#send({ call: 0, name, value });
  }

  /** Hears that the other side is gone. */
  onFail(listener: (err: Error) => void): void {
    this.#failed.push(listener);
  }

  /** The other side is gone: whoever waits for it is told why, and so is whoever calls it from now on. */
  fail(err: Error): void {
    this.#failure ??= err;
    for (const { reject } of this.#waiting.values()) reject(err);
    this.#waiting.clear();
    for (const listener of this.#failed) listener(err);
  }

  #send(frame: Frame): void {
    this.#outgoing.push(frame);
    if (this.#outgoing.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const frames = this.#outgoing.splice(0);
    try {
      this.#port.postMessage(frames);
    } catch {
      // One of them cannot be cloned.
      for (const frame of frames) this.#sendAlone(frame);
    }
  }

  #sendAlone(frame: Frame): void {
    try {
      this.#port.postMessage([frame]);
    } catch (err) {
      const error = new Error(err instanceof Error ? err.message : String(err));
      if ('answer' in frame) this.#port.postMessage([{ answer: frame.answer, value: undefined, error }]);
      else this.#settle(frame.call, undefined, error);
    }
  }

  #take(frame: Frame): void {
    if ('answer' in frame) this.#settle(frame.answer, frame.value, frame.error);
    else void this.#handle(frame);
  }

  #settle(call: number, value: unknown, error: Error | undefined): void {
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(error);
  }

  async #handle({ call, name, value }: { call: number; name: string; value: unknown }): Promise<void> {
    let answer: { value: unknown; error?: Error };
    try {
      const handler = this.#handlers.get(name);
      if (!handler) throw new Error(`nobody serves "${name}" yet`);
      answer = { value: await handler(value as never) };
    } catch (err) {
      answer = { value: undefined, error: err instanceof Error ? err : new Error(String(err)) };
    }
    if (call !== 0) this.#send({ answer: call, ...answer });
  }
}
