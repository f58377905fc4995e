import { describe, expect, test } from '@jest/globals';
import { deliver, type Handle } from './deliver.ts';
import { HEADERS, type RawMessage } from './message.ts';

const stop = (runId: string) => ({ command: 'stop', runId, orgId: 'org_1', apiKeyId: 'key_1', pool: 'shared', engine: 'tim', status: 'canceled' });
const raw = (runId: string, more: Partial<RawMessage> = {}): RawMessage => ({ id: `evt_${runId}`, topic: 'run.commanded', key: runId, value: stop(runId), headers: { [HEADERS.schema]: '1' }, ...more });
const away = () => Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });

/** Delivers a batch and tells what became of it; `handle` gets the run ids. */
async function delivered(batch: readonly RawMessage[], handle: (runIds: string[]) => void | Promise<void> = () => undefined, { deadLetter = () => Promise.resolve(), signal = new AbortController().signal }: { deadLetter?: () => Promise<void>; signal?: AbortSignal } = {}) {
  const batches: string[][] = [];
  const letters: { id: string; error: string; attempts: number }[] = [];
  const pauses: unknown[] = [];
  const seen: Parameters<Handle>[0][number][] = [];
  await deliver(
    batch,
    {
      handle: async (messages) => {
        const ids = messages.map(({ payload }) => (payload as { runId: string }).runId);
        batches.push(ids);
        seen.push(...messages);
        await handle(ids);
      },
      deadLetter: async ({ message, error, attempts }) => {
        await deadLetter();
        letters.push({ id: message.id, error, attempts });
      },
      isInfrastructure: (err) => (err as { code?: string }).code === 'ECONNREFUSED',
      onPause: (err) => pauses.push(err),
    },
    signal,
  );
  return { batches, letters, pauses, seen };
}

describe('a batch', () => {
  test('goes to the handler whole, parsed, with its ids and its trace', async () => {
    const { batches, letters, seen } = await delivered([raw('a', { headers: { [HEADERS.traceparent]: '00-trace' } }), raw('b', { value: JSON.stringify({ ...stop('b'), added: 'by a later release' }) })]);
    expect([batches, letters]).toEqual([[['a', 'b']], []]);
    expect(seen).toEqual([{ id: 'evt_a', payload: stop('a'), traceparent: '00-trace' }, { id: 'evt_b', payload: stop('b'), traceparent: undefined }]);
  });

  test('reaches the handler without the messages that cannot be parsed, which become dead letters with their reason', async () => {
    const { batches, letters } = await delivered([raw('a'), raw('b', { value: '{"broken' }), raw('c', { value: { command: 'stop' } }), raw('d', { topic: 'run.unheard' }), raw('e', { value: '' }), raw('f')]);
    expect(batches).toEqual([['a', 'f']]);
    expect(letters).toEqual([
      { id: 'evt_b', attempts: 1, error: expect.stringMatching(/^not JSON: /) },
      { id: 'evt_c', attempts: 1, error: expect.stringMatching(/^does not fit the schema of run\.commanded: .*runId/) },
      { id: 'evt_d', attempts: 1, error: 'no such topic: run.unheard' },
      { id: 'evt_e', attempts: 1, error: expect.stringMatching(/^not JSON: /) },
    ]);
  });

  test('of which nothing can be parsed never reaches the handler', async () => {
    const { batches, letters } = await delivered([raw('a', { value: 'no' })]);
    expect([batches, letters.length]).toEqual([[], 1]);
  });

  test('that fails is tried message by message, so that only the culprit becomes a dead letter', async () => {
    const { batches, letters } = await delivered([raw('a'), raw('bad'), raw('c')], (ids) => {
      if (ids.includes('bad')) throw new Error('no such row');
    });
    expect(batches).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['bad'], ['bad'], ['bad'], ['c']]);
    expect(letters).toEqual([{ id: 'evt_bad', attempts: 4, error: expect.stringContaining('no such row') }]);
  });

  test('has no dead letter when a handler that failed gets over it', async () => {
    let failures = 3;
    const { letters } = await delivered([raw('a')], () => {
      if (failures-- > 0) throw new Error('not yet');
    });
    expect(letters).toEqual([]);
  });
});

describe('trouble with the infrastructure', () => {
  test('is waited out, however often it comes, and kills no message', async () => {
    let failures = 3;
    const { batches, letters, pauses } = await delivered([raw('a'), raw('b')], () => {
      if (failures-- > 0) throw away();
    });
    expect(batches).toEqual([['a', 'b'], ['a', 'b'], ['a', 'b'], ['a', 'b']]);
    expect(letters).toEqual([]);
    expect(pauses.map((err) => (err as Error | undefined)?.message)).toEqual(['connection refused', 'connection refused', 'connection refused', undefined]);
  });

  test('does not use up the tries of a message that is also bad', async () => {
    let calls = 0;
    const { letters } = await delivered([raw('a')], () => {
      calls += 1;
      throw calls % 2 === 0 ? away() : new Error('bad');
    });
    expect(letters).toEqual([{ id: 'evt_a', attempts: 4, error: expect.stringContaining('bad') }]);
  });

  test('keeps a message whose dead letter cannot be written', async () => {
    let failures = 2;
    const { letters } = await delivered([raw('a', { value: 'no' })], undefined, { deadLetter: () => (failures-- > 0 ? Promise.reject(away()) : Promise.resolve()) });
    expect(letters).toHaveLength(1);
  });

  test('ends with the process: the batch rejects, and nothing is dead-lettered', async () => {
    const ending = new AbortController();
    let calls = 0;
    const done = delivered([raw('a')], () => {
      calls += 1;
      if (calls === 2) ending.abort(new Error('closing'));
      throw away();
    }, { signal: ending.signal });
    await expect(done).rejects.toThrow('closing');
  });
});

test('a message of a newer schema version waits until this process is replaced', async () => {
  const ending = new AbortController();
  const letters: unknown[] = [];
  const pauses: unknown[] = [];
  const done = deliver(
    [raw('a', { headers: { [HEADERS.schema]: '2' } })],
    {
      handle: () => Promise.reject(new Error('must not be called')),
      deadLetter: async (letter) => void letters.push(letter),
      isInfrastructure: () => false,
      onPause: (err) => {
        pauses.push(err);
        if (pauses.length === 2) ending.abort(new Error('replaced'));
      },
    },
    ending.signal,
  );
  await expect(done).rejects.toThrow('replaced');
  expect([letters, String(pauses[0])]).toEqual([[], expect.stringContaining('schema version 2')]);
});
