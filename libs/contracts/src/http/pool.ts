import { z } from 'zod';
import { DEFAULT_ENGINES, Engine, type EnginesFile } from './engine.ts';

/** Everybody's pool. */
export const SHARED_POOL = 'shared';

/** Names of pools are parts of the names of topics, consumer groups, hosts and metrics' labels. */
export const PoolName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/, 'must be at most 41 lower-case letters, digits and -, the first one no -');

/** What waits, counted up to 10,000, and for how long the oldest of it has, in seconds (0: nothing does). */
export const Waiting = z.object({ count: z.number().int(), oldestSeconds: z.number() });
export type Waiting = z.infer<typeof Waiting>;

/** What an engine serves, as far as clients may know: without addresses and keys of upstreams. */
export const ServedCatalogue = z.object({
  engines: z.array(Engine),
  /** The model of the one upstream that answers for every engine. */
  upstreamModel: z.string().optional(),
  /** True when the offline engine answers. */
  offline: z.boolean(),
});
export type ServedCatalogue = z.infer<typeof ServedCatalogue>;

/** What an environment with these settings serves. */
export function servedCatalogue({ file, baseUrl, model }: { file: EnginesFile | undefined; baseUrl: string | undefined; model: string | undefined }): ServedCatalogue {
  if (file) return { engines: file.engines, offline: false };
  return { engines: [...DEFAULT_ENGINES], ...(model !== undefined && { upstreamModel: model }), offline: baseUrl === undefined };
}

/** What a service knows of a pool: its processes that live, and what waits for them. */
export const ServedPool = z.object({
  name: z.string(),
  live: z.number().int(),
  /** When one of its processes was last there; absent when none ever was, or the last one left more than a day ago. */
  lastSeenAt: z.iso.datetime().optional(),
  waiting: Waiting,
  /** Of engine-orchestrator alone, and kept when its processes go. */
  catalogue: ServedCatalogue.optional(),
});
export type ServedPool = z.infer<typeof ServedPool>;

/** engine-orchestrator, tool-executor → gateway: the pools that any of its processes serves or that something waits for. */
export const InternalPools = z.object({ pools: z.array(ServedPool) });
export type InternalPools = z.infer<typeof InternalPools>;

/** runs → gateway: queued runs of dedicated pools. */
export const InternalQueues = z.object({ queues: z.array(z.object({ pool: z.string(), waiting: Waiting })) });
export type InternalQueues = z.infer<typeof InternalQueues>;

const Processes = z.object({
  live: z.number().int().describe('Processes that said so within the last ten seconds.'),
  lastSeenAt: z.iso.datetime().optional().describe('When the last of them was there, for a day after it left.'),
});

/** A pool, as the operator sees it. */
export const Pool = z
  .object({
    name: z.string(),
    state: z.enum(['live', 'impaired', 'absent']).describe('`live`: engines and executors are there. `impaired`: only one kind is. `absent`: neither is; its runs wait.'),
    problems: z.array(z.string()).describe('What is missing, and what that means; empty when the pool is live.'),
    orgs: z.array(z.object({ id: z.string(), name: z.string() })).describe('The organisations whose new runs go to it.'),
    engines: Processes.describe('Processes of engine-orchestrator.'),
    executors: Processes.describe('Processes of tool-executor.'),
    queuedRuns: Waiting.optional().describe('Runs that have not begun; of dedicated pools only.'),
    turns: Waiting.describe('Model turns that are due and that no engine has taken.'),
    toolCalls: Waiting.describe('Tool calls that are due and that no executor has taken.'),
  })
  .meta({ id: 'Pool' });
export type Pool = z.infer<typeof Pool>;

/** Reply of GET /admin/v1/pools. */
export const PoolList = z.object({ pools: z.array(Pool) }).meta({ id: 'PoolList' });
export type PoolList = z.infer<typeof PoolList>;
