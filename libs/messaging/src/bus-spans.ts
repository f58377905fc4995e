import { topicName } from '@nightshift/contracts';
import { errorTypeOf, isTracing, type StartedSpan, startSpan, withSpan } from '@nightshift/runtime';
import type { Bus, BusEvent } from './bus.ts';
import { HEADERS, type RawMessage } from './message.ts';

/** Publishes an event below a span of its own, whose context the message carries on. While the bus is away there is none: the outbox tries again and again. */
export async function sendTraced(bus: Bus, event: BusEvent): Promise<void> {
  const { traceparent: parent } = event;
  if (!isTracing() || parent === undefined || bus.health().length > 0) return bus.publish(event);
  const topic = topicName(event.topic, event.pool);
  const attributes = { 'messaging.operation.type': 'send', 'messaging.operation.name': 'send', 'messaging.destination.name': topic, 'messaging.message.id': event.id };
  await withSpan(`send ${topic}`, { parent, kind: 'producer', attributes }, (traceparent) => bus.publish({ ...event, traceparent }));
}

/** A batch whose messages are handled below spans of their own. */
export interface TracedBatch {
  /** The messages, each with the context of its span. */
  readonly messages: readonly RawMessage[];
  /** Says of one of them that it could not be handled. */
  fail(message: RawMessage): void;
  /** Ends what has not failed before; with an error where the batch was given up. */
  end(err?: unknown): void;
}

/**
 * Begins a span for each message, in the trace of whoever sent it. Messages that are handled together are so in one
 * statement: their spans are linked to one of the batch, which is a trace of its own and links to them.
 */
export function processTraced(batch: readonly RawMessage[], group: string): TracedBatch {
  if (!isTracing()) return { messages: batch, fail: nothing, end: nothing };
  const topic = batch[0]?.topic ?? '';
  const attributes = { 'messaging.operation.type': 'process', 'messaging.operation.name': 'process', 'messaging.destination.name': topic, 'messaging.consumer.group.name': group };
  const together = batch.length > 1 ? startBatch(batch, `process ${topic}`, attributes) : undefined;
  const open = new Map<RawMessage, StartedSpan>();
  const messages = batch.map((message) => {
    const parent = message.headers[HEADERS.traceparent];
    if (parent === undefined) return message;
    const span = startSpan(`process ${topic}`, { parent, kind: 'consumer', attributes: { ...attributes, 'messaging.message.id': message.id }, links: [together?.traceparent] });
    const traced = { ...message, headers: { ...message.headers, [HEADERS.traceparent]: span.traceparent } };
    open.set(traced, span);
    return traced;
  });
  return {
    messages,
    fail(message) {
      open.get(message)?.end('dead_letter');
    },
    end(err) {
      const error = err === undefined ? undefined : errorTypeOf(err);
      for (const span of open.values()) span.end(error);
      together?.end(error);
    },
  };
}

function startBatch(batch: readonly RawMessage[], name: string, attributes: Record<string, string>): StartedSpan {
  const links = batch.map(({ headers }) => headers[HEADERS.traceparent]);
  return startSpan(`${name} batch`, { parent: undefined, kind: 'consumer', attributes: { ...attributes, 'messaging.batch.message_count': batch.length }, links });
}

const nothing = (): void => undefined;
