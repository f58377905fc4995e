import { expect, test } from '@jest/globals';
import { ChatMeter, wireUsage } from './chat-meter.ts';

const count = (texts: readonly string[]) => Promise.resolve(texts.join(' ').split(' ').filter(Boolean).length);
const never = () => Promise.reject(new Error('must not be counted'));
const delta = (said: object) => ({ choices: [{ delta: said }] });

test('what is reported counts, the last time it is', async () => {
  const meter = new ChatMeter();
  meter.add({ ...delta({ content: 'a' }), usage: { prompt_tokens: 5, completion_tokens: 1 } });
  meter.add({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 9, prompt_tokens_details: { cached_tokens: 3 } } });
  meter.add({ choices: [], usage: null });
  const usage = await meter.usage(() => ['x'], never);
  expect(usage).toEqual({ inputTokens: 5, outputTokens: 9, cachedInputTokens: 3, estimated: [] });
  expect(wireUsage(usage)).toEqual({ prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 });
});

test('what is not reported, or is no count, is counted from all that was asked and said', async () => {
  const meter = new ChatMeter();
  expect(meter.isEmpty).toBe(true);
  meter.add({ ...delta({ role: 'assistant', content: '' }), usage: { prompt_tokens: -1, completion_tokens: 'many', prompt_cache_hit_tokens: 99 } });
  meter.add(delta({ reasoning_content: 'one ', refusal: 'two ' }));
  meter.add(delta({ tool_calls: [{ function: { name: 'three ', arguments: 'four ' } }] }));
  meter.add({ choices: [{ message: { content: 'five' } }, null] });
  expect(await meter.usage(() => ['a b', 'c'], count)).toEqual({ inputTokens: 3, outputTokens: 5, cachedInputTokens: 3, estimated: ['input', 'output'] });
  expect(meter.isEmpty).toBe(false);
});

test('a count that fails is one by characters, and so is that of what is very long', async () => {
  const meter = new ChatMeter();
  meter.add(delta({ content: 'x'.repeat(8) }));
  expect(await meter.usage(() => ['y'.repeat(5)], never)).toMatchObject({ inputTokens: 2, outputTokens: 2 });
  const long = new ChatMeter();
  for (let at = 0; at < 5; at += 1) long.add(delta({ content: 'x'.repeat(100_000) }));
  expect(await long.usage(() => [], (texts) => Promise.resolve(texts[0]?.length ?? 0))).toMatchObject({ outputTokens: 300_000 + 50_000 });
});
