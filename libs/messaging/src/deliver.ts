import { type Payload, type Topic, topicOf, TOPICS } from '@nightshift/contracts';
import { backoffMs, must } from '@nightshift/std';
import { type Message, HEADERS, type RawMessage } from './message.ts';

/** Handles the messages of one topic; safe to run twice, because its writes have natural unique keys. */
export type Handle<T extends Topic = Topic> = (messages: readonly Message<T>[]) => Promise<void>;

/** Where a message goes that cannot be handled. */
export type DeadLetterWriter = (letter: { message: RawMessage; error: string; attempts: number }) => Promise<void>;

/** The policy around a consumer's handler. */
export interface DeliverOptions {
  readonly handle: Handle;
  readonly deadLetter: DeadLetterWriter;
  /** True when the infrastructure, not the message, is the trouble. */
  readonly isInfrastructure: (err: unknown) => boolean;
  /** Called with the trouble while deliveries wait for it to pass, and with undefined when they go on. */
  readonly onPause: (err: unknown) => void;
}

/** A message was written by a newer release: wait until this process is replaced too. */
class NewerSchema extends Error {}

const TRIES = 4;
const PAUSE = { firstMs: 100, maxMs: 5000 };
const RETRY = { firstMs: 20, maxMs: 500 };

/**
 * Delivers a batch of one topic. Trouble with the infrastructure is waited out, for ever; a message that cannot be
 * parsed, or whose handler throws each time, becomes a dead letter; the others are handled. Rejects only on abort.
 */
export async function deliver(batch: readonly RawMessage[], options: DeliverOptions, signal: AbortSignal): Promise<void> {
  const readable: { raw: RawMessage; message: Message }[] = [];
  for (const raw of batch) {
    const read = await patiently(() => Promise.resolve(readMessage(raw)), options, signal);
    if (read.ok) readable.push({ raw, message: read.message });
    else await patiently(() => options.deadLetter({ message: raw, error: read.error, attempts: 1 }), options, signal);
  }
  if (readable.length === 0) return;
  try {
    await patiently(() => options.handle(readable.map((entry) => entry.message)), options, signal);
  } catch (err) {
    if (signal.aborted) throw err;
    for (const { raw, message } of readable) await deliverOne(raw, message, options, signal);
  }
}

async function deliverOne(raw: RawMessage, message: Message, options: DeliverOptions, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await patiently(() => options.handle([message]), options, signal);
    } catch (err) {
      if (signal.aborted) throw err;
      if (attempt === TRIES) return await patiently(() => options.deadLetter({ message: raw, error: textOf(err), attempts: TRIES }), options, signal);
      await pause(backoffMs(RETRY, attempt), signal);
    }
  }
}

async function patiently<T>(work: () => Promise<T>, options: DeliverOptions, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const result = await work();
      if (attempt > 1) options.onPause(undefined);
      return result;
    } catch (err) {
      if (!(err instanceof NewerSchema) && !options.isInfrastructure(err)) throw err;
      options.onPause(err);
      await pause(backoffMs(PAUSE, attempt), signal);
    }
  }
}

function readMessage(raw: RawMessage): { ok: true; message: Message } | { ok: false; error: string } {
  const topic = topicOf(raw.topic);
  if (topic === undefined) return { ok: false, error: `no such topic: ${raw.topic}` };
  const version = Number(raw.headers[HEADERS.schema] ?? 1);
  if (version > TOPICS[topic].version) throw new NewerSchema(`${raw.topic} carries schema version ${version}, this process knows ${TOPICS[topic].version}`);
  let value = raw.value;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch (err) {
      return { ok: false, error: `not JSON: ${textOf(err)}` };
    }
  }
  const parsed = must(TOPICS[topic], topic).schema.safeParse(value);
  if (!parsed.success) return { ok: false, error: `does not fit the schema of ${topic}: ${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}` };
  return { ok: true, message: { id: raw.id, payload: parsed.data as Payload<Topic>, traceparent: raw.headers[HEADERS.traceparent] } };
}

function textOf(err: unknown): string {
  return err instanceof Error ? (err.stack ?? err.message).slice(0, 4000) : String(err);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
