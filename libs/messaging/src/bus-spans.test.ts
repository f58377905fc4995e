import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTracing, traceIdOf } from '@nightshift/runtime';
import { type FakeCollector, startFakeCollector } from '@nightshift/testing';
import type { Bus, BusEvent } from './bus.ts';
import { processTraced, sendTraced } from './bus-spans.ts';
import { HEADERS, type RawMessage } from './message.ts';

const traces = ['0af7651916cd43dd8448eb211c80319c', 'b9c7c989f97918e1b3f1b3b6a1d2f2a1'] as const;
const [first, second] = traces.map((traceId) => `00-${traceId}-b7ad6b7169203331-01`) as [string, string];
const published: BusEvent[] = [];
let isAway = false;
let isKnownToBeAway = false;
const bus = {
  health: () => (isKnownToBeAway ? [{ state: 'degraded', missing: 'kafka' }] : []),
  publish: (event: BusEvent) => {
    published.push(event);
    return isAway ? Promise.reject(new Error('away')) : Promise.resolve();
  },
} as unknown as Bus;
const event = (id: string, traceparent: string | undefined): BusEvent => ({ id, topic: 'run.finished', pool: 'shared', key: 'run_1', payload: {}, traceparent });
const message = (id: string, traceparent: string): RawMessage => ({ id, topic: 'run.finished', key: 'run_1', value: '{}', headers: { [HEADERS.traceparent]: traceparent } });
let collector: FakeCollector;

beforeAll(async () => {
  collector = await startFakeCollector();
});
afterAll(() => collector.close());

test('without an exporter events and messages stay as they are', async () => {
  await sendTraced(bus, event('evt_0', first));
  expect(published.at(-1)?.traceparent).toBe(first);
  const batch = [message('evt_0', first)];
  expect(processTraced(batch, 'billing').messages).toBe(batch);
});

test('a message is sent and handled below its cause, in its own trace; what is handled together is linked to the batch and back', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.endpoint;
  const stop = await startTracing('test', { sampler: 'parentbased_always_on', ratio: 1 }, { flushMsMax: 60_000 });
  isAway = true;
  await expect(sendTraced(bus, event('evt_1', first))).rejects.toThrow('away');
  isKnownToBeAway = true;
  await expect(sendTraced(bus, event('evt_1', first))).rejects.toThrow('away');
  isAway = isKnownToBeAway = false;
  await sendTraced(bus, event('evt_1', first));
  await sendTraced(bus, event('evt_2', second));
  await sendTraced(bus, event('evt_3', undefined));
  const [, known, one, two, none] = published.slice(-5).map(({ traceparent }) => traceparent);
  expect([known, none]).toEqual([first, undefined]);
  const batch = processTraced([message('evt_1', one!), message('evt_2', two!)], 'billing');
  batch.fail(batch.messages[1]!);
  batch.end();
  const alone = processTraced([message('evt_4', first)], 'billing');
  alone.end(new TypeError('broken'));
  await stop();

  const [failed, sent, processed, failedAlone] = collector.spans(traces[0]);
  expect(collector.spans(traces[0])).toHaveLength(4);
  expect(failed).toMatchObject({ name: 'send run.finished', isError: true, attributes: { 'error.type': 'Error' } });
  expect(sent).toMatchObject({ name: 'send run.finished', kind: 'producer', parentSpanId: 'b7ad6b7169203331', isError: false });
  expect(processed).toMatchObject({ name: 'process run.finished', kind: 'consumer', parentSpanId: sent!.spanId, isError: false, attributes: { 'messaging.message.id': 'evt_1', 'messaging.consumer.group.name': 'billing' } });
  expect(batch.messages[0]?.headers[HEADERS.traceparent]).toBe(`00-${traces[0]}-${processed!.spanId}-01`);
  expect(failedAlone).toMatchObject({ isError: true, links: [], attributes: { 'error.type': 'TypeError' } });
  const [, deadLetter] = collector.spans(traces[1]);
  expect(deadLetter).toMatchObject({ name: 'process run.finished', isError: true, attributes: { 'error.type': 'dead_letter' } });
  const together = collector.spans().find(({ name }) => name === 'process run.finished batch');
  expect(together).toMatchObject({ parentSpanId: '', attributes: { 'messaging.batch.message_count': 2 } });
  expect(together?.links.map(({ traceId }) => traceId)).toEqual([traceIdOf(one!), traceIdOf(two!)]);
  for (const span of [processed, deadLetter]) expect(span?.links).toEqual([{ traceId: together?.traceId, spanId: together?.spanId }]);
});
