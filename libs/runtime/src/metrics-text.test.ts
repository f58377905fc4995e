import { expect, test } from '@jest/globals';
import { addMetrics, metrics, metricsText, registry } from './index.ts';

const OPEN = 'application/openmetrics-text; version=1.0.0, text/plain;q=0.5';

test('text in the older form has neither exemplars nor an end mark, and counters keep their names', async () => {
  metrics.deadLetters.inc({ service: 'runs', topic: 'run.progressed' });
  const { contentType, text } = await metricsText('text/plain');
  expect(contentType).toContain('version=0.0.4');
  expect(text).toContain('# TYPE nightshift_dead_letters_total counter\nnightshift_dead_letters_total{service="runs",topic="run.progressed"} 1');
  expect(text).not.toContain('# EOF');
});

test('whoever asks for OpenMetrics gets it: counters are declared without their suffix, and it ends with a mark', async () => {
  const { contentType, text } = await metricsText(OPEN);
  expect(contentType).toContain('application/openmetrics-text');
  expect(text).toContain('# TYPE nightshift_dead_letters counter\nnightshift_dead_letters_total{service="runs",topic="run.progressed"} 1');
  expect(text.endsWith('# EOF\n')).toBe(true);
});

test('threads are added up, what each of them measures alike is not, and the latest exemplar of a bucket is kept', async () => {
  metrics.outboxBacklog.set({ service: 'runs' }, 3);
  metrics.turnDuration.observe({ outcome: 'tool_calls', pool: 'shared' }, 0.4);
  const there = structuredClone(await registry.getMetricsAsJSON());
  const trace = { labelSet: { trace_id: '0af7651916cd43dd8448eb211c80319c' }, value: 0.4, timestamp: 1_795_000_000 };
  const bucket = there.find(({ name }) => name === 'nightshift_turn_duration_seconds')!.values.find(({ labels }) => (labels as { le?: number }).le === 0.5)!;
  Object.assign(bucket, { exemplar: trace });
  addMetrics(() => Promise.resolve(there));
  const { text } = await metricsText(OPEN);
  expect(text).toContain('nightshift_turn_duration_seconds_count{outcome="tool_calls",pool="shared"} 2');
  expect(text).toContain('nightshift_outbox_backlog{service="runs"} 3');
  expect(text).toMatch(/nightshift_turn_duration_seconds_bucket\{[^}]*le="0.5"[^}]*\} 2 # \{trace_id="0af7651916cd43dd8448eb211c80319c"\} 0.4 1795000000/);
});
