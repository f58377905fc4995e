import { describe, expect, test } from '@jest/globals';
import type { ToolBlock, ToolResult } from '@nightshift/contracts';
import fc from 'fast-check';
import type { ModelMessage } from './model.ts';
import { type JournalResult, journaled, type TurnEntry } from './session.ts';
import { TaskTree } from './task-tree.ts';
import { tokensOf, workingMemory } from './working-memory.ts';

const names = { open: 'open_subtasks', conclude: 'conclude_subtask' };
const usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, toolCalls: {} };

/** What happens in a turn: a call with a result of so many characters and images, a list of subtasks opened, one concluded. */
type Act = { readonly kind: 'call'; readonly chars: number; readonly images?: number } | { readonly kind: 'open'; readonly count: number } | { readonly kind: 'conclude' };

const block = (data: string): ToolBlock => ({ type: 'image', source: { kind: 'base64', mime: 'image/png', data } });
const resultOf = (text: string, images = 0): ToolResult =>
  images === 0 ? { isError: false, content: text } : { isError: false, format: 'tool_response', content: { content: [{ type: 'text', text }, ...Array.from({ length: images }, (_, at) => block(`${at}`))], is_error: false } };

function remember(acts: readonly Act[], { tokensMax = Infinity, buffer = 1, images = true } = {}) {
  const tree = new TaskTree(names);
  const results = new Map<string, ToolResult>();
  const turns = acts.map((act, step): TurnEntry => {
    const callId = `c${step}`;
    const args = act.kind === 'open' ? { subtasks: Array.from({ length: act.count }, (_, at) => ({ title: `${step}.${at}` })) } : act.kind === 'conclude' ? { conclusion: `done at ${step}` } : { step };
    const name = act.kind === 'open' ? names.open : act.kind === 'conclude' ? names.conclude : 'look';
    const turn: TurnEntry = { kind: 'turn', step, content: '', usage, costMicroUsd: 0, calls: [{ callId, modelCallId: `m${step}`, name, arguments: JSON.stringify(args) }] };
    results.set(callId, resultOf(`${step}:${'r'.repeat(act.kind === 'call' ? act.chars : 0)}`, act.kind === 'call' ? act.images : 0));
    for (const [id, answer] of tree.grow(turn, results)) results.set(id, answer);
    return turn;
  });
  return workingMemory({ turns, results, concluded: tree.concluded, tokensMax, buffer, images });
}

/** The steps whose turns are shown. */
const stepsOf = (messages: readonly ModelMessage[]) => messages.flatMap((message) => (message.role === 'assistant' ? [Number(message.tool_calls![0]!.id.slice(1))] : []));
const call = (chars = 10): Act => ({ kind: 'call', chars });
const open = (count: number): Act => ({ kind: 'open', count });
const conclude: Act = { kind: 'conclude' };
const withImages = fc.record({ kind: fc.constant('call' as const), chars: fc.integer({ min: 0, max: 9000 }), images: fc.integer({ min: 1, max: 30 }) });
const acts = fc.array(fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 9000 }).map(call) }, withImages, fc.integer({ min: 1, max: 3 }).map(open), fc.constant(conclude)), { maxLength: 60 });

describe('working memory', () => {
  test('shows all turns of a run that does not plan', () => {
    const { messages, prunedTokens } = remember([call(), call(), call()]);
    expect(stepsOf(messages)).toEqual([0, 1, 2]);
    expect(prunedTokens).toBe(0);
  });

  test('forgets a concluded subtask’s turns when it leaves the buffer, and keeps its conclusion', () => {
    const run = [open(3), call(), call(), conclude, call(), conclude, call(), conclude];
    expect(stepsOf(remember(run.slice(0, 4)).messages)).toEqual([0, 1, 2, 3]);
    expect(stepsOf(remember(run.slice(0, 5)).messages)).toEqual([0, 1, 2, 3, 4]);
    expect(stepsOf(remember(run.slice(0, 6)).messages)).toEqual([0, 3, 4, 5]);
    expect(stepsOf(remember(run).messages)).toEqual([0, 3, 5, 6, 7]);
    expect(stepsOf(remember(run, { buffer: 0 }).messages)).toEqual([0, 3, 5, 7]);
    expect(stepsOf(remember(run, { buffer: 3 }).messages)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('forgets conclusions with the task that they belong to', () => {
    const run = [open(2), open(1), call(), conclude, conclude, call(), conclude];
    // The outer subtask took steps 1 to 3; it goes when the second one, step 5, is concluded.
    expect(stepsOf(remember(run).messages)).toEqual([0, 4, 5, 6]);
  });

  test('shortens older results first, and says so, when all does not fit', () => {
    const { messages, tokens, prunedTokens } = remember([call(4000), call(4000), call(4000)], { tokensMax: 2500 });
    expect(stepsOf(messages)).toEqual([0, 1, 2]);
    expect(messages.filter(({ role }) => role === 'tool').map(({ content }) => String(content).endsWith('[truncated: the first 400 of 4002 characters]'))).toEqual([true, true, false]);
    expect(tokens).toBeLessThanOrEqual(2500);
    expect(prunedTokens).toBeGreaterThan(1000);
  });

  test('leaves older turns out, and says so, when shortening is not enough', () => {
    const { messages, tokens } = remember(Array.from({ length: 60 }, () => call(4000)), { tokensMax: 3000 });
    expect(messages[0]).toEqual({ role: 'user', content: expect.stringMatching(/left out/) });
    expect(stepsOf(messages).at(-1)).toBe(59);
    expect(stepsOf(messages)[0]).toBeGreaterThan(20);
    expect(tokens).toBeLessThanOrEqual(3000);
  });

  const imagesIn = (messages: readonly ModelMessage[]) => messages.flatMap(({ role, content }) => (role === 'user' && typeof content !== 'string' ? [content.map((part) => (part.type === 'text' ? part.text : part.image_url.url))] : []));
  const seen = (images: number, chars = 0): Act => ({ kind: 'call', chars, images });

  test('shows the images of results in a message after them, to a model that takes images', () => {
    const { messages } = remember([seen(2), call()]);
    expect(messages.map(({ role }) => role)).toEqual(['assistant', 'tool', 'user', 'assistant', 'tool']);
    expect(messages[1]!.content).toBe('0:\n[image: see the message after the results]\n[image: see the message after the results]');
    expect(messages[2]!.content).toEqual([{ type: 'text', text: 'Returned by look (m0):' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,0' } }, { type: 'image_url', image_url: { url: 'data:image/png;base64,1' } }]);
  });

  test('says of images that they were left out to a model that takes none', () => {
    const { messages, tokens } = remember([seen(2)], { images: false });
    expect(messages.map(({ role, content }) => [role, content])).toEqual([['assistant', null], ['tool', '0:\n[image: left out]\n[image: left out]']]);
    expect(tokens).toBeLessThan(100);
  });

  test('shows as many images of a turn as fit, twenty at most, and says which', () => {
    const { messages, tokens } = remember([seen(3)], { tokensMax: 6000 });
    expect(imagesIn(messages)).toEqual([['Returned by look (m0):', 'data:image/png;base64,0', 'data:image/png;base64,1']]);
    expect(messages[1]!.content).toMatch(/see the message after the results\]\n\[image: left out\]$/);
    expect(tokens).toBeGreaterThan(3200);
    expect(imagesIn(remember([seen(30)]).messages)[0]).toHaveLength(21);
  });

  test('forgets images before it forgets turns', () => {
    const { messages, tokens } = remember([seen(1, 1000), seen(1, 1000), seen(1, 1000)], { tokensMax: 4500 });
    expect(stepsOf(messages)).toEqual([0, 1, 2]);
    expect(imagesIn(messages)).toEqual([['Returned by look (m2):', 'data:image/png;base64,0']]);
    expect(tokens).toBeLessThanOrEqual(4500);
  });

  test('shows a result alike, whether its JSON was written out when it was remembered or not', () => {
    fc.assert(fc.property(fc.jsonValue(), fc.boolean(), (content, isError) => {
      const turns: TurnEntry[] = [{ kind: 'turn', step: 0, content: '', usage, costMicroUsd: 0, calls: [{ callId: 'c', modelCallId: 'm', name: 'look', arguments: '{}' }] }];
      const shown = (result: JournalResult) => workingMemory({ turns, results: new Map([['c', result]]), concluded: [], tokensMax: 2000, buffer: 1, images: true });
      expect(shown(journaled({ isError, content }))).toEqual(shown({ isError, content }));
    }));
  });

  test('never exceeds its limit, and says how much it takes', () => {
    fc.assert(fc.property(acts, fc.integer({ min: 1500, max: 20_000 }), fc.integer({ min: 0, max: 3 }), (run, tokensMax, buffer) => {
      const { messages, tokens } = remember(run, { tokensMax, buffer });
      expect(tokensOf(messages)).toBe(tokens);
      expect(tokens).toBeLessThanOrEqual(tokensMax);
    }));
  });

  test('begins with the same messages while nothing is pruned', () => {
    fc.assert(fc.property(acts, fc.integer({ min: 1500, max: 20_000 }), (run, tokensMax) => {
      for (let count = 1; count < run.length; count += 1) {
        const [before, after] = [remember(run.slice(0, count), { tokensMax }), remember(run.slice(0, count + 1), { tokensMax })];
        if (after.prunedTokens === before.prunedTokens) expect(after.messages.slice(0, before.messages.length)).toEqual(before.messages);
      }
    }), { numRuns: 30 });
  });

  test('loses at most one contiguous run of messages per turn to pruning', () => {
    fc.assert(fc.property(acts, fc.integer({ min: 0, max: 3 }), (run, buffer) => {
      for (let count = 1; count < run.length; count += 1) {
        const before = stepsOf(remember(run.slice(0, count), { buffer }).messages);
        const after = new Set(stepsOf(remember(run.slice(0, count + 1), { buffer }).messages));
        const lost = before.map((step, at) => (after.has(step) ? -1 : at)).filter((at) => at >= 0);
        expect(lost).toEqual(Array.from(lost, (_, index) => lost[0]! + index));
      }
    }), { numRuns: 50 });
  });

  test('shows every call with its result, in order', () => {
    fc.assert(fc.property(acts, fc.integer({ min: 1500, max: 20_000 }), (run, tokensMax) => {
      const { messages } = remember(run, { tokensMax });
      const steps = stepsOf(messages);
      expect(steps).toEqual([...steps].sort((a, b) => a - b));
      expect(messages.flatMap((message) => (message.role === 'tool' ? [Number(message.tool_call_id.slice(1))] : []))).toEqual(steps);
    }));
  });
});
