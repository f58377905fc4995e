import { describe, expect, jest, test } from '@jest/globals';
import { freeze, restart, wipeKafka } from './faults.ts';
import { judge } from './history.ts';
import { underLoad } from './load.ts';
import { readiness, ready } from './product.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

/** How long PostgreSQL stands still: POSTGRES_DOWN_MS=60000 is the full form. */
const postgresDownMs = Number(process.env['POSTGRES_DOWN_MS'] ?? 12_000);
const kafkaDownMs = 20_000;

jest.setTimeout(300_000);

describe('the cluster under load', () => {
  const on = stage('cluster');
  const passed = (ms: number) => {
    const end = Date.now() + ms;
    return until(() => Date.now() >= end, { timeoutMs: ms + 5000, what: () => `${ms} ms to pass` });
  };
  const deadLetters = async () => (await on.admin.call<{ deadLetters: unknown[] }>('GET', '/dead-letters')).body.deadLetters;

  test('takes runs and says what is missing while Kafka is away for 20 s, and loses nothing', async () => {
    const history = await underLoad(on, async (load) => {
      const goOn = freeze(on.product, 'kafka');
      const backAt = Date.now() + kafkaDownMs;
      try {
        await until(async () => {
          const { httpStatus, status, missing } = await readiness(on.product);
          return httpStatus === 200 && status === 'degraded' && missing?.includes('kafka') === true;
        }, { timeoutMs: kafkaDownMs, what: () => 'a 200 of /ready that says degraded and names kafka' });
        const api = await on.newTenant();
        const accepted = await api.post({ engine: 'tim-gpt', input: { instructions: 'Say hello' } });
        expect([accepted.status, accepted.body.status]).toEqual([202, 'queued']);
        await until(() => Date.now() >= backAt, { timeoutMs: kafkaDownMs + 5000, what: () => 'the outage to end' });
      } finally {
        goOn();
      }
      await ready(on.product, 60_000);
      await load.moreEnded(10);
    });
    expect(judge(history)).toEqual([]);
    expect(await deadLetters()).toEqual([]);
  });

  test('loses nothing when Kafka is killed with -9', async () => {
    const history = await underLoad(on, async (load) => {
      await restart(on.product, ['kafka']);
      await load.moreEnded(10, 60_000);
    });
    expect(judge(history)).toEqual([]);
  });

  test('only works later when Redis is killed, and when it stands still', async () => {
    const history = await underLoad(on, async (load) => {
      load.fault('kill -9 of redis');
      await restart(on.product, ['redis']);
      await load.moreEnded(10);
      const goOn = freeze(on.product, 'redis');
      try {
        load.fault('SIGSTOP of redis');
        await load.moreEnded(10);
      } finally {
        goOn();
      }
      await ready(on.product, 60_000);
    });
    expect(judge(history)).toEqual([]);
  });

  test('loses nothing when PostgreSQL is killed with -9', async () => {
    const history = await underLoad(on, async (load) => {
      await restart(on.product, ['postgres']);
      load.fault('the return of postgres');
      await load.moreEnded(10, 60_000);
    });
    expect(judge(history)).toEqual([]);
    expect(await deadLetters()).toEqual([]);
  });

  test('makes no dead letters of anything while PostgreSQL is away for long', async () => {
    const history = await underLoad(on, async (load) => {
      const goOn = freeze(on.product, 'postgres');
      try {
        await passed(postgresDownMs);
        expect((await readiness(on.product)).httpStatus).not.toBe(200);
      } finally {
        goOn();
      }
      await ready(on.product, 60_000);
      await load.moreEnded(10, 60_000);
    });
    expect(judge(history)).toEqual([]);
    expect(await deadLetters()).toEqual([]);
  });

  test('goes on after everything on Kafka’s disk is gone', async () => {
    const history = await underLoad(on, async (load) => {
      // A Kafka that writes would make files again behind what removes them.
      freeze(on.product, 'kafka');
      wipeKafka(on.product);
      await restart(on.product, ['kafka']);
      await load.moreEnded(10, 120_000);
    }, { settleMs: 180_000 });
    expect(judge(history)).toEqual([]);
  });
});
