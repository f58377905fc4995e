import { setTimeout as delay } from 'node:timers/promises';
import { type Api, api } from './api.ts';
import type { Post, Target } from './load-job.ts';

/** When a posted run ended, by the database's clock, in milliseconds since the epoch. */
export type EndedRun = Post & { readonly endedAtMs: number; readonly outcome: string };

type Listed = { runs: { runId: string; status: string; updatedAt: string }[]; nextCursor: string | null };

const isTerminal = (status: string): boolean => !['queued', 'running'].includes(status);

/** The runs of these posts with their ends, read from the list when all have ended or `patienceMs` have passed. */
export async function endedRuns(target: Target, posts: readonly Post[], patienceMs: number): Promise<EndedRun[]> {
  const wanted = new Map(posts.flatMap((post) => (post.runId === null ? [] : [[post.runId, post] as const])));
  const client = api(target, 2);
  const endMs = Date.now() + patienceMs;
  try {
    for (;;) {
      const ended = await listEnded(client, wanted);
      if (ended.length === wanted.size || Date.now() > endMs) return ended;
      await delay(250);
    }
  } finally {
    await client.close();
  }
}

/** Reads the list from its newest end until every wanted run was seen. */
async function listEnded(client: Api, wanted: ReadonlyMap<string, Post>): Promise<EndedRun[]> {
  const ended: EndedRun[] = [];
  let seen = 0;
  for (let cursor: string | null = ''; cursor !== null && seen < wanted.size;) {
    const { status, text } = await client.send('GET', `/v1/runs?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    if (status !== 200) throw new Error(`GET /v1/runs was answered with ${status}: ${text.slice(0, 300)}`);
    const page = JSON.parse(text) as Listed;
    for (const run of page.runs) {
      const post = wanted.get(run.runId);
      if (!post) continue;
      seen += 1;
      if (isTerminal(run.status)) ended.push({ ...post, endedAtMs: Date.parse(run.updatedAt), outcome: run.status });
    }
    cursor = page.nextCursor;
  }
  return ended;
}
