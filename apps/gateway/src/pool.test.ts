import { describe, expect, test } from '@jest/globals';
import type { ServedPool } from '@nightshift/contracts';
import { isWanted, type Known, poolOf, poolsOf } from './pool.ts';

const waiting = (count = 0, oldestSeconds = 0) => ({ count, oldestSeconds });
const served = (name: string, live: number, more: Partial<ServedPool> = {}): ServedPool => ({ name, live, waiting: waiting(), ...more });
const known = (more: Partial<Known> = {}): Known => ({ orgs: [], engines: [served('shared', 2)], executors: [served('shared', 1)], queues: [], onePool: undefined, ...more });
const acme = { id: 'org_1', name: 'Acme', pool: 'acme' };

describe('the list of pools', () => {
  test('has the shared pool, those of organisations, those that are served, and those that something waits for, each once', () => {
    const list = poolsOf(known({ orgs: [acme, { ...acme, id: 'org_2' }], engines: [served('shared', 1), served('spare', 1), served('late', 0, { waiting: waiting(3) })], queues: [{ pool: 'queued', waiting: waiting(1, 2) }] }));
    expect(list.map(({ name }) => name)).toEqual(['acme', 'late', 'queued', 'shared', 'spare']);
    expect(list[0]?.orgs).toEqual([{ id: 'org_1', name: 'Acme' }, { id: 'org_2', name: 'Acme' }]);
  });

  test('has a pool whose processes have left for as long as they are remembered, and not one of which only the catalogue is', () => {
    const gone = served('gone', 0, { lastSeenAt: '2026-01-01T00:00:00.000Z' });
    const forgotten = served('forgotten', 0, { catalogue: { engines: [], offline: false } });
    expect(poolsOf(known({ engines: [gone, forgotten] })).map(({ name }) => name)).toEqual(['gone', 'shared']);
  });
});

describe('a pool', () => {
  test.each([
    ['live', 1, 1, 0],
    ['impaired', 1, 0, 1],
    ['impaired', 0, 1, 1],
    ['absent', 0, 0, 2],
  ])('is %s with %i engines and %i executors', (state, engines, executors, problems) => {
    const pool = poolOf('acme', known({ engines: [served('acme', engines)], executors: [served('acme', executors)] }));
    expect([pool.state, pool.problems.length]).toEqual([state, problems]);
    for (const problem of pool.problems) expect(problem).toMatch(/pool "acme".*POOL=acme/);
  });

  test('is not served by the processes of another one', () => {
    expect(poolOf('acme', known()).state).toBe('absent');
  });

  test('says what waits for it, and is missed for that', () => {
    const pool = poolOf('acme', known({ engines: [served('acme', 0, { waiting: waiting(4, 9) })], queues: [{ pool: 'acme', waiting: waiting(7, 8) }] }));
    expect(pool).toMatchObject({ queuedRuns: waiting(7, 8), turns: waiting(4, 9), toolCalls: waiting() });
    expect([isWanted(pool), isWanted(poolOf('acme', known())), isWanted(poolOf('acme', known({ orgs: [acme] })))]).toEqual([true, false, true]);
  });

  test('is served where one process serves every pool', () => {
    expect(poolOf('acme', known({ orgs: [acme], onePool: 'shared' }))).toMatchObject({ state: 'live', engines: { live: 2 }, executors: { live: 1 } });
  });
});
