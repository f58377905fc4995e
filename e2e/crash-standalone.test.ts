import { describe, expect, jest, test } from '@jest/globals';
import { judge } from './history.ts';
import { rounds, underLoad } from './load.ts';
import { stage } from './stage.ts';

jest.setTimeout(300_000);

describe('the standalone process under load', () => {
  const on = stage('standalone');

  test('loses nothing when it is killed with -9 and started again on the same data', async () => {
    const history = await underLoad(on, async (load) => {
      for (let round = 0; round < 2 * rounds; round += 1) {
        await on.restart('SIGKILL');
        load.fault(`start number ${round + 2}`);
        await load.moreEnded(10);
      }
    });
    expect(judge(history)).toEqual([]);
  });

  test('loses nothing when it is stopped by SIGTERM and started again', async () => {
    const history = await underLoad(on, async (load) => {
      await on.restart('SIGTERM');
      load.fault('the start after SIGTERM');
      await load.moreEnded(10);
    });
    expect(judge(history)).toEqual([]);
  });
});
