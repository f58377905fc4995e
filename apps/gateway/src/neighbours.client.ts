import { Readiness } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import type { App, CheckResult } from '@nightshift/runtime';

/** So that a second address is asked within the time that a neighbour has; an only one has nearly all of it. */
const SILENCE_MS = 900;
/** Less than the probe of a gateway may take, however many of its neighbours stand still. */
const ANSWER_MS = 2000;

/** What the services behind the gateway say of themselves: without runs nothing is accepted, without the others work is late. One that says nothing for two seconds is away. */
export async function checkNeighbour(name: App, client: InternalClient): Promise<CheckResult[]> {
  const isVital = name === 'runs';
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('no answer in time')), ANSWER_MS)));
  try {
    const asked = client.call({ method: 'GET', path: '/ready', once: true, silenceMs: SILENCE_MS }, Readiness);
    const { status, missing = [], reasons = [] } = await Promise.race([asked, late]);
    const degraded = missing.map((what): CheckResult => ({ state: 'degraded', missing: what }));
    if (status !== 'unready') return degraded;
    return [...degraded, isVital ? { state: 'unready', reason: `${name}: ${reasons.join('; ')}` } : { state: 'degraded', missing: name }];
  } catch {
    return [isVital ? { state: 'unready', reason: `${name} cannot be reached` } : { state: 'degraded', missing: name }];
  } finally {
    clearTimeout(timer);
  }
}
