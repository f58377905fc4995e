import { describe, expect, jest, test } from '@jest/globals';
import { freeze, restart } from './faults.ts';
import { judge } from './history.ts';
import { isFull, rounds, underLoad } from './load.ts';
import { pidsOf } from './processes.ts';
import { leaseMs } from './product.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

/** Enough runs that some of them began after the fault. */
const someMore = 10;

const pairs = [
  [['engine-orchestrator-1', 'engine-orchestrator-2']],
  [['engine-orchestrator-1', 'tool-executor-1']],
  [['gateway-1', 'runs-1']],
  ...(isFull ? [[['tool-executor-1', 'tool-executor-2']], [['runs-1', 'engine-orchestrator-2']], [['webhook-dispatcher-1', 'billing-1']]] : []),
];
const zombies = ['engine-orchestrator-1', 'tool-executor-1', 'runs-1', ...(isFull ? ['webhook-dispatcher-1', 'billing-1'] : [])];

/** Runs whose three targets each are told while all that a webhook passes through is killed: CRASH_WEBHOOKS=2000 is the full form. */
const told = Number(process.env['CRASH_WEBHOOKS'] ?? 100);
const killed = ['webhook-dispatcher-1', 'runs-1', 'kafka', 'postgres'];

jest.setTimeout(300_000);

describe('the services of the cluster under load', () => {
  const on = stage('cluster');
  const hasTwin = (name: string) => /^(engine-orchestrator|tool-executor)-/.test(name);
  const services = () => [...pidsOf(on.product.dataDir).keys()].filter((name) => (isFull ? /-\d+$/ : /-1$/).test(name)).sort();

  test('lose nothing when each of them is killed with -9 in turn', async () => {
    const history = await underLoad(on, async (load) => {
      for (let round = 0; round < rounds; round += 1) {
        for (const name of services()) {
          load.fault(`kill -9 of ${name}`);
          await restart(on.product, [name]);
          await load.moreEnded(someMore);
        }
      }
    });
    expect(judge(history)).toEqual([]);
  });

  test(
    `tell the three targets of each of ${told} runs, under one id, while ${killed.join(', ')} are killed with -9`,
    async () => {
      const history = await underLoad(on, async (load) => {
        do {
          for (const name of killed) {
            await restart(on.product, [name]);
            await load.moreEnded(2 * someMore, 60_000);
          }
        } while (load.accepted() < told);
      });
      expect(judge(history)).toEqual([]);
      expect(new Set(history.flatMap((event) => (event.kind === 'arrival' ? [event.deliveryId] : []))).size).toBe(3 * history.filter(({ kind }) => kind === 'accepted').length);
    },
    told > 100 ? 1_800_000 : 300_000,
  );

  test.each(pairs)('lose nothing when %j are killed at once', async (names) => {
    const history = await underLoad(on, async (load) => {
      load.fault(`kill -9 of ${names.join(' and ')}`);
      await restart(on.product, names);
      await load.moreEnded(someMore);
    });
    expect(judge(history)).toEqual([]);
  });

  test.each(zombies)(
    'let no zombie write when %s stands still for longer than its lease and wakes up',
    async (name) => {
      const history = await underLoad(on, async (load) => {
        const goOn = freeze(on.product, name);
        const awakeAt = Date.now() + leaseMs + 1500;
        if (hasTwin(name)) {
          load.fault(`SIGSTOP of ${name}`);
          await load.moreEnded(someMore);
        }
        await until(() => Date.now() > awakeAt, { timeoutMs: 2 * leaseMs, what: () => 'the lease to run out' });
        goOn();
        await load.moreEnded(someMore);
      });
      expect(judge(history)).toEqual([]);
    },
  );
});
