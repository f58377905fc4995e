import { beforeEach, describe, expect, test } from '@jest/globals';
import { SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { KeptTraces } from './kept-traces.ts';

let exported: ReadableSpan[];
let told: string[];
const next = { onStart: () => undefined, onEnd: (span: ReadableSpan) => void exported.push(span), forceFlush: () => Promise.resolve(), shutdown: () => Promise.resolve() };
const kept = (spansMax?: number) => new KeptTraces(next, (traceId) => told.push(traceId), spansMax);
const span = (traceId: string, name: string, more: { failed?: boolean; sampled?: boolean } = {}) =>
  ({ name, status: { code: more.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET }, spanContext: () => ({ traceId, spanId: name, traceFlags: more.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE }) }) as unknown as ReadableSpan;
const names = () => exported.map(({ name }) => name);

beforeEach(() => {
  exported = [];
  told = [];
});

describe('spans that were not sampled', () => {
  test('are exported, marked as sampled, once one of their trace has failed, and so is what follows; others are not', () => {
    const traces = kept();
    for (const one of [span('a', 'a1'), span('b', 'b1'), span('a', 'a2', { failed: true }), span('a', 'a3'), span('b', 'b2')]) traces.onEnd(one);
    expect(names()).toEqual(['a1', 'a2', 'a3']);
    expect(exported.map((one) => one.spanContext().traceFlags)).toEqual([1, 1, 1]);
    expect(told).toEqual(['a']);
    expect([traces.has('a'), traces.has('b')]).toEqual([true, false]);
  });

  test('are exported when another process says that their trace has failed, and nobody is told again', () => {
    const traces = kept();
    traces.onEnd(span('a', 'a1'));
    traces.keep('a');
    traces.keep('a');
    traces.onEnd(span('a', 'a2', { failed: true }));
    expect(names()).toEqual(['a1', 'a2']);
    expect(told).toEqual([]);
  });

  test('are forgotten, the oldest trace first, beyond what is remembered', () => {
    const traces = kept(3);
    for (const one of [span('a', 'a1'), span('b', 'b1'), span('b', 'b2'), span('c', 'c1')]) traces.onEnd(one);
    traces.keep('a');
    traces.keep('b');
    expect(names()).toEqual(['b1', 'b2']);
  });
});

test('sampled spans go through at once, and a failure of theirs is nobody’s news', () => {
  kept().onEnd(span('a', 'a1', { sampled: true, failed: true }));
  expect(names()).toEqual(['a1']);
  expect(told).toEqual([]);
});
