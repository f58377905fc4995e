import { describe, expect, test } from '@jest/globals';
import { isTerminal } from '@nightshift/contracts';
import fc from 'fast-check';
import { checkDelayMs, dueAt, type Effect, fold, QUEUE_LIMIT_MS, type Run, type RunEvent, transition } from './run.ts';
import { usageOf } from './run-view.ts';

const START = Date.UTC(2026, 0, 1);
const at = (ms: number) => new Date(START + ms);
const usage = { inputTokens: 7, outputTokens: 3, cachedInputTokens: 0, toolCalls: { lookup: 1 } };

const queued: Run = {
  id: 'run_1',
  orgId: 'org_1',
  apiKeyId: 'key_1',
  pool: 'shared',
  engine: 'tim',
  status: 'queued',
  version: 0,
  timeoutMs: 60_000,
  callbackUrl: null,
  egressAllow: [],
  responseContent: 'full',
  answerEncoding: 'object',
  metadata: null,
  traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
  result: null,
  error: null,
  usage: null,
  createdAt: at(0),
  startedAt: null,
  completedAt: null,
  deadlineAt: at(QUEUE_LIMIT_MS),
  checkAt: at(checkDelayMs(0)),
  checkCount: 0,
};
const running = transition(queued, { kind: 'started' }, at(1000))!.run;

const succeeded = (answer: unknown = 'yes') => ({ kind: 'outcome', usage, outcome: { status: 'succeeded', result: { answer, reasoning: [{ thought: 'hm' }] } } }) satisfies RunEvent;
const failed: RunEvent = { kind: 'outcome', usage, outcome: { status: 'failed', error: { code: 'upstream_auth', message: 'check the key' } } };
const due: RunEvent = { kind: 'due' };
const cancel: RunEvent = { kind: 'cancel' };
const stopped: RunEvent = { kind: 'stopped', usage };

const anyEvent = fc.constantFrom<RunEvent>({ kind: 'started' }, { kind: 'outcome unread', usage }, succeeded(), succeeded(null), failed, due, cancel, stopped);
/** Events with the time that passes before each: from nothing to longer than any deadline. */
const anyStory = fc.array(fc.record({ event: anyEvent, afterMs: fc.constantFrom(0, 1, 30_000, 61_000, QUEUE_LIMIT_MS) }), { maxLength: 30 });

/** The states and effects of a story, one entry for each event that changed something. */
function tell(story: readonly { event: RunEvent; afterMs: number }[]): { run: Run; effects: readonly Effect[]; now: Date }[] {
  let run = queued;
  let ms = 0;
  return story.flatMap(({ event, afterMs }) => {
    ms += afterMs;
    const change = transition(run, event, at(ms));
    if (change) run = change.run;
    return change ? [{ ...change, now: at(ms) }] : [];
  });
}

describe('whatever happens to a run, in whatever order', () => {
  test('it ends at most once: its end, result and error never change afterwards', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        const ends = tell(story).filter(({ run }) => isTerminal(run.status)).map(({ run: { status, result, error, completedAt, startedAt } }) => JSON.stringify({ status, result, error, completedAt, startedAt }));
        expect(new Set(ends).size).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('its end is announced exactly once, with the change that ends it', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        const changes = tell(story);
        const announced = changes.map(({ effects }) => effects.filter((effect) => effect === 'finished').length);
        const end = changes.findIndex(({ run }) => isTerminal(run.status));
        expect(announced).toEqual(changes.map((_, index) => Number(index === end)));
      }),
    );
  });

  test('an end stops the engine, and is announced', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        const changes = tell(story);
        const end = changes.find(({ run }) => isTerminal(run.status));
        if (end) expect(end.effects).toEqual(['stop', 'finished']);
      }),
    );
  });

  test('it is never forgotten: until its end is known, and for a day after it its usage, there is a time to attend to it', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        for (const { run, now } of tell(story)) {
          const isLate = run.completedAt !== null && now.getTime() - run.completedAt.getTime() > QUEUE_LIMIT_MS;
          expect(dueAt(run) === null).toBe(isTerminal(run.status) && (run.usage !== null || isLate));
        }
      }),
    );
  });

  test('attending to it when it is due moves the next time onward', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        for (const { run } of tell(story)) {
          const when = dueAt(run);
          if (when === null) continue;
          const change = transition(run, due, when)!;
          const next = dueAt(change.run);
          if (next !== null) expect(next.getTime()).toBeGreaterThan(when.getTime());
        }
      }),
    );
  });

  test('result, error and usage stand only where they belong', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        for (const { run } of tell(story)) {
          expect(run.result !== null).toBe(run.status === 'succeeded');
          expect(run.error !== null).toBe(run.status === 'failed' || run.status === 'timed_out');
          expect(run.completedAt !== null).toBe(isTerminal(run.status));
          if (run.usage) expect(isTerminal(run.status)).toBe(true);
        }
      }),
    );
  });

  test('told twice, an event changes nothing the second time, but for a check', () => {
    fc.assert(
      fc.property(anyStory, anyEvent, (story, event) => {
        fc.pre(event.kind !== 'due');
        const last = tell(story).at(-1);
        const run = last?.run ?? queued;
        const now = last?.now ?? at(0);
        const once = transition(run, event, now)?.run ?? run;
        expect(transition(once, event, now)).toBeUndefined();
      }),
    );
  });

  test('told in one go, events end where they end one by one, with all their effects', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 10 }), (events) => {
        const changes = tell(events.map((event) => ({ event, afterMs: 0 })));
        expect(fold(queued, events, at(0))).toEqual(changes.length === 0 ? undefined : { run: changes.at(-1)!.run, effects: changes.flatMap(({ effects }) => effects) });
      }),
    );
  });
});

describe('a run', () => {
  test('has its timeout counted from its first turn, not from its creation', () => {
    expect(running).toMatchObject({ status: 'running', startedAt: at(1000), deadlineAt: at(61_000) });
  });

  test('takes an outcome while it is queued: nobody assumes an order', () => {
    expect(transition(queued, succeeded(), at(5))?.run).toMatchObject({ status: 'succeeded', startedAt: null, completedAt: at(5), checkAt: null, usage });
  });

  test('knows how long it took, also when its end is heard of before its begin', () => {
    const ended = transition(queued, { ...succeeded(), startedAt: at(2) }, at(5))!.run;
    expect([ended.startedAt, usageOf(ended)?.durationMs]).toEqual([at(2), 3]);
    expect(transition(ended, { kind: 'started' }, at(6))).toBeUndefined();
    // Its first turn may have begun after it was canceled; what was shown stays.
    const canceled = transition(queued, cancel, at(5))!.run;
    expect(transition(canceled, { kind: 'stopped', usage, startedAt: at(6) }, at(7))?.run).toEqual({ ...canceled, usage, checkAt: null });
    expect(transition(running, { ...succeeded(), startedAt: at(2) }, at(5000))?.run.startedAt).toEqual(at(2));
    expect(transition(running, succeeded(), at(5000))?.run.startedAt).toEqual(at(1000));
  });

  test('keeps no reasoning when only the answer is wanted, and none where there is none', () => {
    expect(transition({ ...running, responseContent: 'answer_only' }, succeeded(), at(5))?.run.result).toEqual({ answer: 'yes' });
    expect(transition(running, succeeded(), at(5))?.run.result).toEqual({ answer: 'yes', reasoning: [{ thought: 'hm' }] });
    expect(transition(running, { kind: 'outcome', usage, outcome: { status: 'succeeded', result: { answer: 1 } } }, at(5))?.run.result).toEqual({ answer: 1 });
  });

  test('that fails has the engine’s error and no result', () => {
    expect(transition(running, failed, at(5))).toMatchObject({ run: { status: 'failed', error: { code: 'upstream_auth' }, result: null, usage }, effects: ['stop', 'finished'] });
  });

  test('that is canceled stops the engine, and learns later what it used', () => {
    const canceled = transition(running, cancel, at(5))!;
    expect(canceled).toMatchObject({ run: { status: 'canceled', usage: null, error: null, checkAt: at(5 + 30_000), checkCount: 0 }, effects: ['stop', 'finished'] });
    expect(transition(canceled.run, stopped, at(9))).toEqual({ run: { ...canceled.run, usage, checkAt: null }, effects: [] });
    expect(transition(canceled.run, succeeded(), at(9))).toEqual({ run: { ...canceled.run, usage, checkAt: null }, effects: [] });
    expect(transition(canceled.run, cancel, at(9))).toBeUndefined();
  });

  test('of which the engine is silent after its end has the engine stopped again', () => {
    const canceled = transition(running, cancel, at(0))!.run;
    expect(transition(canceled, due, canceled.checkAt!)).toMatchObject({ run: { status: 'canceled', checkCount: 1 }, effects: ['stop'] });
  });

  test('of which the engine is silent is commanded again, after 30 s, then twice as long, at most 10 min', () => {
    let run: Run = { ...running, deadlineAt: at(QUEUE_LIMIT_MS) };
    const waits: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      const now = run.checkAt!;
      const change = transition(run, due, now)!;
      expect(change.effects).toEqual(['start']);
      run = change.run;
      waits.push((run.checkAt!.getTime() - now.getTime()) / 1000);
    }
    expect(waits).toEqual([60, 120, 240, 480, 600, 600, 600]);
  });

  test('whose end could not be read has the engine say it again soon, and knows what it used once it has ended', () => {
    const unread: RunEvent = { kind: 'outcome unread', usage };
    expect(transition(running, unread, at(2000))).toEqual({ run: { ...running, checkAt: at(7000) }, effects: [] });
    const asked = transition(running, due, at(7000))!.run;
    expect(transition(asked, unread, at(8000))!.run.checkAt).toEqual(at(18_000));
    const canceled = transition(running, cancel, at(2000))!.run;
    expect(transition(canceled, unread, at(3000))?.run).toMatchObject({ status: 'canceled', usage, checkAt: null });
  });

  test('that has ended is not asked about for ever: its pool may have no engines any more', () => {
    const canceled = transition(queued, cancel, at(5))!.run;
    expect(transition(canceled, due, at(5 + QUEUE_LIMIT_MS))?.effects).toEqual(['stop']);
    expect(transition(canceled, due, at(6 + QUEUE_LIMIT_MS))).toEqual({ run: { ...canceled, checkAt: null }, effects: [] });
  });

  test('times out at its deadline and not before, and says which limit it was', () => {
    expect(transition(running, due, at(60_999))?.run.status).toBe('running');
    expect(transition(running, due, at(61_000))).toMatchObject({ run: { status: 'timed_out', error: { code: 'timeout', message: expect.stringContaining('60 s') } }, effects: ['stop', 'finished'] });
    expect(transition(queued, due, at(QUEUE_LIMIT_MS))).toMatchObject({ run: { status: 'timed_out', error: { code: 'queue_timeout' } }, effects: ['stop', 'finished'] });
  });

  test('is attended to at its next check or its deadline, whichever comes first', () => {
    expect(dueAt({ ...running, checkAt: at(5), deadlineAt: at(9) })).toEqual(at(5));
    expect(dueAt({ ...running, checkAt: at(9), deadlineAt: at(5) })).toEqual(at(5));
    expect(dueAt({ ...running, checkAt: null, deadlineAt: at(5) })).toEqual(at(5));
  });
});
