import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TestDatabase } from '@nightshift/testing';
import { type Biller, billingDatabase, startBiller, turn } from './biller.ts';

let database: TestDatabase;
let biller: Biller;
let orgs = 0;

beforeAll(async () => {
  database = await billingDatabase();
  biller = await startBiller(database.url);
});
afterAll(async () => {
  await biller.stop();
  await database.drop();
});

/** An organisation whose keys have used tokens so many seconds ago: 1,000 each time. */
async function used(...times: readonly (readonly [key: string, secondsAgo: number])[]): Promise<string> {
  const orgId = `org_${(orgs += 1)}`;
  const now = Date.now();
  await biller.recorded(...times.map(([apiKeyId, ago], step) => turn(`run_${orgId}`, step, { orgId, apiKeyId, inputTokens: 900, outputTokens: 100, cachedInputTokens: 500, recordedAt: new Date(now - ago * 1000).toISOString() })));
  return orgId;
}

/** Seconds, rounded up as clients are told them; what the test itself takes is less than one. */
const seconds = (ms: number): number => Math.ceil(ms / 1000);

describe('the tokens of the last minute', () => {
  test('are those of turns that have ended in it, what they read and what they wrote', async () => {
    const orgId = await used(['a', 61], ['a', 30], ['b', 10]);
    expect(await biller.wait({ orgId, apiKeyId: 'a', orgTokens: 2001 })).toEqual({ orgMs: 0, keyMs: 0 });
    expect(seconds((await biller.wait({ orgId, apiKeyId: 'a', orgTokens: 2000 })).orgMs)).toBe(30);
  });

  test('hold a limit until the turn that reached it, counted back from now, is a minute old', async () => {
    const orgId = await used(['a', 50], ['a', 40], ['a', 20], ['a', 5]);
    const waits = await Promise.all([4000, 3000, 1500, 1].map(async (orgTokens) => seconds((await biller.wait({ orgId, apiKeyId: 'a', orgTokens })).orgMs)));
    expect(waits).toEqual([10, 20, 40, 55]);
  });

  test('are counted for a key and for its organisation apart, and for nobody else', async () => {
    const orgId = await used(['a', 30], ['b', 10]);
    const { orgMs, keyMs } = await biller.wait({ orgId, apiKeyId: 'a', orgTokens: 1500, keyTokens: 1000 });
    expect([seconds(orgMs), seconds(keyMs)]).toEqual([30, 30]);
    expect(await biller.wait({ orgId, apiKeyId: 'c', keyTokens: 1 })).toEqual({ orgMs: 0, keyMs: 0 });
    expect(await biller.wait({ orgId: 'org_other', apiKeyId: 'a', orgTokens: 1, keyTokens: 1 })).toEqual({ orgMs: 0, keyMs: 0 });
  });
});
