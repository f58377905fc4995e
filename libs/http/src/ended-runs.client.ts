import { InternalRunIds } from '@nightshift/contracts';
import type { InternalClient } from './internal.client.ts';

/** As many as one question may be about (`InternalRunIds`). */
const ASKED_AT_ONCE = 1000;

/** Which of these runs have ended, as the service says that answers at `path`. */
export async function endedAmong(client: InternalClient, path: string, runIds: readonly string[]): Promise<ReadonlySet<string>> {
  const asked = [...new Set(runIds)];
  const ended = new Set<string>();
  for (let from = 0; from < asked.length; from += ASKED_AT_ONCE) {
    const answer = await client.call({ method: 'POST', path, body: { runIds: asked.slice(from, from + ASKED_AT_ONCE) } }, InternalRunIds);
    for (const runId of answer.runIds) ended.add(runId);
  }
  return ended;
}
