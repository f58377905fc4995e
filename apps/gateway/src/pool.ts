import { type InternalQueues, type Pool, type ServedPool, SHARED_POOL } from '@nightshift/contracts';

/** An organisation with a pool of its own. */
export interface PooledOrg {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
}

/** What is known of pools at a moment. */
export interface Known {
  readonly orgs: readonly PooledOrg[];
  readonly engines: readonly ServedPool[];
  readonly executors: readonly ServedPool[];
  readonly queues: InternalQueues['queues'];
  /** The pool that does the work of all, where one process serves every pool. */
  readonly onePool: string | undefined;
}

const NOTHING = { count: 0, oldestSeconds: 0 };
const NOBODY = { live: 0 };

/** Every pool that an organisation has, that a process serves or has served within a day, or that something waits for. */
export function poolsOf(known: Known): Pool[] {
  const served = [...known.engines, ...known.executors].filter(({ live, lastSeenAt, waiting }) => live > 0 || lastSeenAt !== undefined || waiting.count > 0);
  const names = new Set([SHARED_POOL, ...known.orgs.map(({ pool }) => pool), ...served.map(({ name }) => name), ...known.queues.map(({ pool }) => pool)]);
  return [...names].sort().map((name) => poolOf(name, known));
}

/** A pool, whether anything is known of it or not. */
export function poolOf(name: string, { orgs, engines, executors, queues, onePool }: Known): Pool {
  const servedAs = onePool ?? name;
  const processesOf = ({ live, lastSeenAt }: Pick<ServedPool, 'live' | 'lastSeenAt'>): Pool['engines'] => ({ live, ...(lastSeenAt !== undefined && { lastSeenAt }) });
  const [engine, executor] = [engines, executors].map((served) => processesOf(served.find((pool) => pool.name === servedAs) ?? NOBODY)) as [Pool['engines'], Pool['executors']];
  const waitingIn = (served: readonly ServedPool[]): Pool['turns'] => served.find((pool) => pool.name === name)?.waiting ?? NOTHING;
  return {
    name,
    ...judge(name, engine.live, executor.live),
    orgs: orgs.filter(({ pool }) => pool === name).map(({ id, name: named }) => ({ id, name: named })),
    engines: engine,
    executors: executor,
    ...(name !== SHARED_POOL && { queuedRuns: queues.find(({ pool }) => pool === name)?.waiting ?? NOTHING }),
    turns: waitingIn(engines),
    toolCalls: waitingIn(executors),
  };
}

function judge(name: string, engines: number, executors: number): { state: Pool['state']; problems: string[] } {
  const start = (app: string): string => (name === SHARED_POOL ? `start ${app}` : `start ${app} with POOL=${name}`);
  const problems = [
    ...(engines > 0 ? [] : [`No engine-orchestrator serves the pool "${name}": its runs wait, and its plain model calls are refused; ${start('one')}.`]),
    ...(executors > 0 ? [] : [`No tool-executor serves the pool "${name}": its tool calls wait; ${start('one')}.`]),
  ];
  return { state: problems.length === 0 ? 'live' : problems.length === 1 ? 'impaired' : 'absent', problems };
}

/** Whether anybody would miss a pool. */
export function isWanted({ name, orgs, queuedRuns, turns, toolCalls }: Pool): boolean {
  return name === SHARED_POOL || orgs.length > 0 || [queuedRuns, turns, toolCalls].some((waiting) => (waiting?.count ?? 0) > 0);
}
