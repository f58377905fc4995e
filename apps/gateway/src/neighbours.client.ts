import { Readiness } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import type { App, CheckResult } from '@nightshift/runtime';

/** What the services behind the gateway say of themselves: without runs nothing is accepted, without the others work is late. */
export async function checkNeighbour(name: App, client: InternalClient): Promise<CheckResult[]> {
  const isVital = name === 'runs';
  try {
    const { status, missing = [], reasons = [] } = await client.call({ method: 'GET', path: '/ready', once: true }, Readiness);
    const degraded = missing.map((what): CheckResult => ({ state: 'degraded', missing: what }));
    if (status !== 'unready') return degraded;
    return [...degraded, isVital ? { state: 'unready', reason: `${name}: ${reasons.join('; ')}` } : { state: 'degraded', missing: name }];
  } catch {
    return [isVital ? { state: 'unready', reason: `${name} cannot be reached` } : { state: 'degraded', missing: name }];
  }
}
