import type { MessagePort, Worker } from 'node:worker_threads';

/** What one side asks the other, or tells it (`call` 0: nobody waits for the answer). */
type Frame = { readonly call: number; readonly name: string; readonly value: unknown } | { readonly answer: number; readonly value: unknown; readonly error?: string };

type Handler = (value: never) => unknown;

/** Calls between two threads, which may pass whatever can be cloned. What is sent together travels together. */
export class ThreadLink {
  readonly #port: Pick<MessagePort | Worker, 'postMessage'>;
  readonly #handlers = new Map<string, Handler>();
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (err: Error) => void }>();
  #calls = 0;
  #outgoing: Frame[] = [];

  constructor(port: MessagePort | Worker) {
    this.#port = port;
    port.on('message', (frames: readonly Frame[]) => frames.forEach((frame) => this.#take(frame)));
  }

  /** Answers the other side's calls of `name`. */
  serve<In>(name: string, handler: (value: In) => unknown): void {
    this.#handlers.set(name, handler as Handler);
  }

  /** Calls the other side; rejects with its error's message. */
  call<Out>(name: string, value?: unknown): Promise<Out> {
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

  #send(frame: Frame): void {
    this.#outgoing.push(frame);
    if (this.#outgoing.length > 1) return;
    queueMicrotask(() => this.#port.postMessage(this.#outgoing.splice(0)));
  }

  #take(frame: Frame): void {
    if (!('answer' in frame)) return void this.#handle(frame);
    const waiting = this.#waiting.get(frame.answer);
    this.#waiting.delete(frame.answer);
    if (frame.error === undefined) waiting?.resolve(frame.value);
    else waiting?.reject(new Error(frame.error));
  }

  async #handle({ call, name, value }: { call: number; name: string; value: unknown }): Promise<void> {
    let answer: { value: unknown; error?: string };
    try {
      const handler = this.#handlers.get(name);
      if (!handler) throw new Error(`nobody serves "${name}" yet`);
      answer = { value: await handler(value as never) };
    } catch (err) {
      answer = { value: undefined, error: err instanceof Error ? err.message : String(err) };
    }
    if (call !== 0) this.#send({ answer: call, ...answer });
  }
}
