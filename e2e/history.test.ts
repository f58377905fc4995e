import { describe, expect, test } from '@jest/globals';
import {
  checkDeliveries, checkEffects, checkNoRunUnknown, checkOneTerminalState, checkProgress, checkUsage, checkWebhooks, judge, usageOfRuns,
} from './history.ts';
import type { Accepted, Arrival, Deliveries, Effect, History, HistoryEvent, Observed, RunObject } from './history.ts';

const usage = { inputTokens: 10, outputTokens: 4, toolCalls: { lookup: 1 } };
const accepted: Accepted = { kind: 'accepted', atMs: 0, runId: 'run_1', marker: 'm1', requestKey: 'k1', targets: ['http://hook/1'] };
const running: Observed = { kind: 'observed', atMs: 10, runId: 'run_1', httpStatus: 200, run: { runId: 'run_1', status: 'running' } };
const succeeded: Observed = {
  kind: 'observed', atMs: 90, runId: 'run_1', httpStatus: 200, run: { runId: 'run_1', status: 'succeeded', usage },
};
const effect: Effect = {
  kind: 'effect', atMs: 30, marker: 'm1', step: '0', tool: 'lookup', key: 'call_1', attempt: 1, retry: 'safe',
};
const arrival: Arrival = {
  kind: 'arrival', atMs: 95, answered: 200, deliveryId: 'whd_1', runId: 'run_1', target: 'http://hook/1', status: 'succeeded', bodyHash: 'aa',
};
const delivery = { id: 'whd_1', runId: 'run_1', status: 'delivered', attemptCount: 1 };
const shown = (...deliveries: Deliveries['deliveries']): Deliveries => ({ kind: 'deliveries', atMs: 98, deliveries });
const good: History = [
  accepted,
  running,
  { kind: 'turn', atMs: 20, marker: 'm1', phase: 'started' },
  { kind: 'turn', atMs: 25, marker: 'm1', phase: 'finished' },
  effect,
  { kind: 'effect_answered', atMs: 35, marker: 'm1', step: '0' },
  { kind: 'turn', atMs: 40, marker: 'm1', phase: 'started' },
  { kind: 'fault', atMs: 50, what: 'kill -9 of engine-orchestrator', leaseMs: 3000 },
  { kind: 'turn', atMs: 60, marker: 'm1', phase: 'started' },
  { kind: 'turn', atMs: 80, marker: 'm1', phase: 'finished' },
  succeeded,
  arrival,
  shown(delivery),
  { kind: 'listed', atMs: 99, runIds: ['run_1'] },
  { kind: 'usage', atMs: 99, total: { inputTokens: 10, outputTokens: 4, toolCalls: 1, runs: 1 } },
];

function without(...dropped: HistoryEvent[]): History {
  return good.filter((event) => !dropped.includes(event));
}

test('a good history has no faults', () => {
  expect(judge(good)).toEqual([]);
});

test('the judgement contains every check', () => {
  const lost: Observed = { kind: 'observed', atMs: 11, runId: 'run_1', httpStatus: 404 };
  const fault: HistoryEvent = { kind: 'fault', atMs: 50, what: 'kill -9 of runs', leaseMs: 3000 };
  const checks = new Set(judge([accepted, lost, { ...effect, key: '' }, fault]).map((line) => line.split(':')[0]));
  expect([...checks]).toEqual([
    'checkOneTerminalState', 'checkNoRunUnknown', 'checkEffects', 'checkWebhooks', 'checkDeliveries', 'checkUsage', 'checkProgress',
  ]);
});

describe('one terminal state', () => {
  test('a run that never ended is a fault', () => {
    expect(checkOneTerminalState(without(succeeded))).toEqual(['run_1: was accepted and never seen in a terminal state']);
  });

  test('a run that nobody ever saw is a fault', () => {
    expect(checkOneTerminalState([accepted])).toHaveLength(1);
  });

  test('a second terminal state is a fault', () => {
    const canceled = { ...succeeded, run: { runId: 'run_1', status: 'canceled' } };
    expect(checkOneTerminalState([...good, canceled])).toEqual([expect.stringContaining('changed after it was terminal')]);
  });

  test('a return to a state that is not terminal is a fault', () => {
    expect(checkOneTerminalState([...good, running])).toHaveLength(1);
  });

  test('a detail that changes after the end is a fault', () => {
    const more = { ...succeeded, run: { runId: 'run_1', status: 'succeeded', usage: { ...usage, inputTokens: 11 } } };
    expect(checkOneTerminalState([...good, more])).toHaveLength(1);
  });

  test('usage that comes after a cancel is none, but only once and with nothing else', () => {
    const canceled = { runId: 'run_1', status: 'canceled', updatedAt: 't1' };
    const told = { ...canceled, updatedAt: 't2', usage };
    const look = (run: RunObject): Observed => ({ ...succeeded, run });
    expect(checkOneTerminalState([accepted, look(canceled), look(told), look(told)])).toEqual([]);
    expect(usageOfRuns([accepted, look(canceled), look(told)])).toMatchObject({ inputTokens: 10, runs: 1 });
    expect(checkOneTerminalState([accepted, look(canceled), look(told), look({ ...told, usage: {} })])).toHaveLength(1);
    expect(checkOneTerminalState([accepted, look(canceled), look(told), look(canceled)])).toHaveLength(1);
    expect(checkOneTerminalState([accepted, look(canceled), look({ ...told, status: 'succeeded' })])).toHaveLength(1);
  });

  test('another run in the answer is a fault', () => {
    const foreign = { ...running, run: { runId: 'run_2', status: 'running' } };
    expect(checkOneTerminalState([foreign, ...good])).toHaveLength(1);
  });

  test('the same end seen many times is none', () => {
    expect(checkOneTerminalState([...good, succeeded, succeeded])).toEqual([]);
  });
});

describe('no run unknown', () => {
  test('404 for an accepted run is a fault', () => {
    const lost: Observed = { kind: 'observed', atMs: 11, runId: 'run_1', httpStatus: 404 };
    expect(checkNoRunUnknown([...good, lost])).toEqual(['run_1: was answered with 404']);
  });

  test('a service that is away for a moment is none', () => {
    const away: Observed = { kind: 'observed', atMs: 11, runId: 'run_1', httpStatus: 503 };
    expect(checkNoRunUnknown([...good, away])).toEqual([]);
  });

  test('a run that is missing in the list is a fault', () => {
    expect(checkNoRunUnknown([accepted, { kind: 'listed', atMs: 1, runIds: [] }])).toHaveLength(1);
  });

  test('a run in the list that no request was answered with is a fault', () => {
    expect(checkNoRunUnknown([accepted, { kind: 'listed', atMs: 1, runIds: ['run_1', 'run_9'] }])).toHaveLength(1);
  });

  test('a run that the list shows twice is a fault', () => {
    expect(checkNoRunUnknown([accepted, { kind: 'listed', atMs: 1, runIds: ['run_1', 'run_1'] }])).toHaveLength(1);
  });

  test('two runs for one repeated request are a fault', () => {
    expect(checkNoRunUnknown([accepted, { ...accepted, runId: 'run_2' }])).toHaveLength(1);
  });

  test('one run for a repeated request is none', () => {
    expect(checkNoRunUnknown([accepted, accepted])).toEqual([]);
  });
});

describe('tool effects', () => {
  test('a repetition under another key is a fault', () => {
    expect(checkEffects([effect, { ...effect, key: 'call_2', attempt: 2 }])).toEqual([
      'call m1/0: arrived with the keys call_1 and call_2',
    ]);
  });

  test('a repetition under the same key is none', () => {
    expect(checkEffects([effect, { ...effect, attempt: 2 }])).toEqual([]);
  });

  test('any repetition of a tool with retry never is a fault', () => {
    const never: Effect = { ...effect, retry: 'never' };
    expect(checkEffects([never])).toEqual([]);
    expect(checkEffects([never, { ...never, attempt: 2 }])).toHaveLength(1);
  });

  test('one key for two calls is a fault', () => {
    expect(checkEffects([effect, { ...effect, step: '1' }])).toHaveLength(1);
  });

  test('a call without a key is a fault', () => {
    expect(checkEffects([{ ...effect, key: '' }])).toHaveLength(1);
  });
});

describe('webhooks', () => {
  test('no arrival is a fault', () => {
    expect(checkWebhooks(without(arrival))).toEqual(['run_1: no webhook was ever heard at http://hook/1']);
  });

  test('an arrival that was refused is not enough', () => {
    const refused = { ...arrival, answered: 503 };
    expect(checkWebhooks([...without(arrival), refused])).toEqual(['run_1: no webhook was ever heard at http://hook/1']);
    expect(checkWebhooks([...without(arrival), refused, arrival])).toEqual([]);
  });

  test('no arrival for a run without a callback URL is none', () => {
    expect(checkWebhooks([{ ...accepted, targets: [] }, succeeded])).toEqual([]);
  });

  test('a second delivery id is a fault', () => {
    expect(checkWebhooks([...good, { ...arrival, deliveryId: 'whd_2' }])).toHaveLength(1);
  });

  test('the same delivery twice is none', () => {
    expect(checkWebhooks([...good, arrival])).toEqual([]);
  });

  test('the same delivery with other bytes is a fault', () => {
    expect(checkWebhooks([...good, { ...arrival, bodyHash: 'bb' }])).toHaveLength(1);
  });

  test('a status that is not the run’s own is a fault', () => {
    expect(checkWebhooks([accepted, succeeded, { ...arrival, status: 'failed' }])).toHaveLength(1);
  });

  test('one delivery id for two targets is a fault', () => {
    expect(checkWebhooks([...good, { ...arrival, target: 'http://hook/2' }])).toHaveLength(1);
  });
});

describe('deliveries', () => {
  test('none of a run with a target, and one too many, are faults', () => {
    expect(checkDeliveries([...good, shown()])).toHaveLength(2);
    expect(checkDeliveries([...good, shown(delivery, { ...delivery, id: 'whd_2', status: 'dead', attemptCount: 0 })])).toHaveLength(1);
  });

  test('delivered and never heard, or heard and still pending, are faults', () => {
    expect(checkDeliveries([accepted, succeeded, shown({ ...delivery, attemptCount: 0 })])).toHaveLength(1);
    expect(checkDeliveries([accepted, { ...arrival, answered: 503 }, shown(delivery)])).toHaveLength(1);
    expect(checkDeliveries([...good, shown({ ...delivery, status: 'pending' })])).toHaveLength(1);
  });

  test('an attempt that never came is a fault; one that nobody recorded is none', () => {
    expect(checkDeliveries([...good, shown({ ...delivery, attemptCount: 2 })])).toHaveLength(1);
    expect(checkDeliveries([...good, { ...arrival, answered: 503 }])).toEqual([]);
  });

  test('that were never read are a fault', () => {
    expect(checkDeliveries([accepted, arrival])).toEqual(['the deliveries were never read']);
  });
});

describe('usage', () => {
  test('the runs’ own usage is summed once per run', () => {
    expect(usageOfRuns([...good, succeeded])).toEqual({ inputTokens: 10, outputTokens: 4, toolCalls: 1, runs: 1 });
  });

  test.each(['inputTokens', 'outputTokens', 'toolCalls', 'runs'] as const)('a total of %s that differs is a fault', (name) => {
    const total = { ...usageOfRuns(good), [name]: 99 };
    expect(checkUsage([...good, { kind: 'usage', atMs: 100, total }])).toEqual([expect.stringContaining(`${name}: `)]);
  });

  test('usage that nobody read is a fault', () => {
    expect(checkUsage([accepted, succeeded])).toEqual(['usage was never read']);
  });
});

describe('progress', () => {
  const fault: HistoryEvent = { kind: 'fault', atMs: 50, what: 'kill -9 of tool-executor', leaseMs: 3000 };

  test('a cut turn that is asked again too late is a fault', () => {
    const history: History = [
      { kind: 'turn', atMs: 40, marker: 'm1', phase: 'started' },
      fault,
      { kind: 'turn', atMs: 5051, marker: 'm1', phase: 'started' },
    ];
    expect(checkProgress(history)).toEqual(['m1: after kill -9 of tool-executor its work stood still for 5001 ms']);
  });

  test('a cut tool call that is never repeated and never answered is a fault', () => {
    expect(checkProgress([effect, fault])).toHaveLength(1);
  });

  test('an answer that the receiver gave after the fault is no sign of life', () => {
    expect(checkProgress([effect, fault, { kind: 'effect_answered', atMs: 60, marker: 'm1', step: '0' }])).toHaveLength(1);
  });

  test('one of two parallel calls that stands still is a fault', () => {
    const history: History = [effect, { ...effect, step: '1' }, { kind: 'effect_answered', atMs: 35, marker: 'm1', step: '0' }, fault];
    expect(checkProgress(history)).toHaveLength(1);
  });

  test('a cut call of a tool with retry never that the model hears about in time is none', () => {
    expect(checkProgress([{ ...effect, retry: 'never' }, fault, { kind: 'turn', atMs: 4000, marker: 'm1', phase: 'started' }])).toEqual([]);
  });

  test('a run with nothing open at the fault may wait', () => {
    expect(checkProgress([effect, { kind: 'effect_answered', atMs: 35, marker: 'm1', step: '0' }, fault])).toEqual([]);
  });

  test('a turn that a canceled run still had open needs no successor', () => {
    const turn: HistoryEvent = { kind: 'turn', atMs: 47, marker: 'm1', phase: 'started' };
    expect(checkProgress([accepted, turn, fault])).toHaveLength(1);
    expect(checkProgress([accepted, { ...succeeded, atMs: 45 }, turn, fault])).toEqual([]);
  });

  test('a run counts as ended when it ended, and not when that was seen', () => {
    const late = { ...succeeded, atMs: 9000, run: { runId: 'run_1', status: 'timed_out', completedAt: new Date(60).toISOString() } };
    expect(checkProgress([accepted, effect, fault, late])).toEqual([]);
  });

  test('a run that ended before the fault is not expected to go on', () => {
    expect(checkProgress([accepted, effect, { ...succeeded, atMs: 45 }, fault])).toEqual([]);
  });
});
