import { describe, expect, test } from '@jest/globals';
import { waitFor } from '@nightshift/testing';
import { finishedRun } from './dispatcher.ts';
import { Stage } from './stage.ts';

const stage = new Stage();
const heldOf = async (orgId: string) => (await stage.sql<{ held: number }>(`select count(*)::int as held from webhooks.deliveries where org_id = '${orgId}' and lease_until is not null`))[0]?.held;

describe('an organisation', () => {
  test('whose many endpoints all hang does not take all slots: another one’s deliveries go out', async () => {
    const dispatcher = await stage.start({ DELIVERY_SLOTS: '16', WEBHOOK_TIMEOUT_MS: '60000' });
    await dispatcher.publish(...Array.from({ length: 40 }, (_, index) => finishedRun(stage.hook(`/hangs/${index}?hang=9`), { orgId: 'org_hanging' })));
    await waitFor(async () => (await heldOf('org_hanging')) === 12);
    await dispatcher.publish(...Array.from({ length: 20 }, (_, index) => finishedRun(stage.hook(`/well/${index}`), { orgId: 'org_well' })));
    await waitFor(() => stage.arrivals('/well').length === 20, { timeoutMs: 20_000 });
    expect(stage.arrivals('/hangs')).toHaveLength(12);
  });
});
