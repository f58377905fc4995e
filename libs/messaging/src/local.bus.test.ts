import { describe, expect, test } from '@jest/globals';
import type { BusEvent } from './bus.ts';
import { LocalBus } from './local.bus.ts';
import type { RawMessage } from './message.ts';

const event = (key: string, more: Partial<BusEvent> = {}): BusEvent => ({ id: `evt_${key}`, topic: 'run.finished', pool: 'shared', key, payload: { key }, traceparent: undefined, ...more });
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A consumer whose batches end when the test says so. */
async function consumer(bus: LocalBus, topics: string[] = ['run.finished']) {
  const batches: { messages: readonly RawMessage[]; end: (err?: Error) => void; signal: AbortSignal }[] = [];
  const deliver = (messages: readonly RawMessage[], signal: AbortSignal): Promise<void> => new Promise((resolve, reject) => batches.push({ messages, signal, end: (err) => (err ? reject(err) : resolve()) }));
  const subscribed = await bus.subscribe({ group: 'g', topics, deliver, onGap: () => undefined });
  return { batches, subscribed, keys: () => batches.map(({ messages }) => messages.map(({ key }) => key)) };
}

describe('the bus of one process', () => {
  test('acknowledges an event when every consumer of its topic has committed it, not earlier', async () => {
    const bus = new LocalBus();
    const [first, second] = [await consumer(bus), await consumer(bus)];
    let acknowledged = false;
    const published = bus.publish(event('a')).then(() => (acknowledged = true));
    await settle();
    first.batches[0]!.end();
    await settle();
    expect(acknowledged).toBe(false);
    second.batches[0]!.end();
    expect(await published).toBe(true);
  });

  test('rejects an event that a consumer could not take, so that it is published again', async () => {
    const bus = new LocalBus();
    const one = await consumer(bus);
    const published = bus.publish(event('a'));
    await settle();
    one.batches[0]!.end(new Error('closing'));
    await expect(published).rejects.toThrow('closing');
  });

  test('handles an event once that is published again while it is on its way', async () => {
    const bus = new LocalBus();
    const one = await consumer(bus);
    const published = [bus.publish(event('a')), bus.publish(event('a'))];
    await settle();
    expect(one.keys()).toEqual([['a']]);
    one.batches[0]!.end();
    await Promise.all(published);
    void bus.publish(event('a'));
    await settle();
    expect(one.keys()).toEqual([['a'], ['a']]);
    one.batches[1]!.end();
  });

  test('rejects an event that nobody listens to yet', async () => {
    await expect(new LocalBus().publish(event('a'))).rejects.toThrow('nobody listens to run.finished');
  });

  test('carries id, key, schema version and trace', async () => {
    const bus = new LocalBus();
    const one = await consumer(bus);
    void bus.publish(event('a', { traceparent: '00-trace' }));
    await settle();
    expect(one.batches[0]!.messages).toEqual([{ id: 'evt_a', topic: 'run.finished', key: 'a', value: { key: 'a' }, headers: { 'event-id': 'evt_a', 'schema-version': '1', traceparent: '00-trace' } }]);
    one.batches[0]!.end();
  });

  test('keeps the pools of a topic apart', async () => {
    const bus = new LocalBus();
    const [shared, acme] = [await consumer(bus, ['run.commanded']), await consumer(bus, ['run.commanded.acme'])];
    void bus.publish(event('a', { topic: 'run.commanded', pool: 'acme' }));
    await settle();
    expect([shared.keys(), acme.keys()]).toEqual([[], [['a']]]);
    acme.batches[0]!.end();
  });

  test('puts what gathers while batches run into the next one', async () => {
    const bus = new LocalBus();
    const one = await consumer(bus);
    for (const key of ['a', 'b']) {
      void bus.publish(event(key));
      await settle();
    }
    const later = ['e', 'f', 'g'].map((key) => bus.publish(event(key)));
    await settle();
    expect(one.keys()).toEqual([['a'], ['b']]);
    one.batches[1]!.end();
    await settle();
    expect(one.keys().at(-1)).toEqual(['e', 'f', 'g']);
    for (const { end } of one.batches) end();
    await Promise.all(later);
    expect(one.batches).toHaveLength(3);
  });

  test('ends in order: what waits is refused, what runs is waited for, and nothing new is taken', async () => {
    const bus = new LocalBus();
    const one = await consumer(bus);
    const running: Promise<unknown>[] = [];
    for (const key of ['a', 'b']) {
      running.push(bus.publish(event(key)));
      await settle();
    }
    const waiting = bus.publish(event('e'));
    await settle();
    let closed = false;
    const closing = one.subscribed.close().then(() => (closed = true));
    await expect(waiting).rejects.toThrow('closing');
    await expect(bus.publish(event('f'))).rejects.toThrow('closing');
    expect([closed, one.batches[0]!.signal.aborted]).toEqual([false, true]);
    for (const { end } of one.batches) end();
    await Promise.all([closing, ...running]);
    expect([closed, one.batches.length]).toEqual([true, 2]);
  });
});
