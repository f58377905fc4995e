import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Api, Reply, RunPage } from './api.client.ts';
import type { Deliveries, History, HistoryEvent, UsageRead } from './history.ts';
import { checkDeliveries, checkUsage, checkWebhooks, finals, isTerminal } from './history.ts';
import { leaseMs } from './product.ts';
import type { Script } from './request.ts';
import { functionTool, request } from './request.ts';
import type { StageForTests } from './stage.ts';
import { holds, until } from './until.ts';

/** Runs that are kept in flight while a test inflicts its faults: CRASH_RUNS=200 is the full form. */
export const inFlight = Number(process.env['CRASH_RUNS'] ?? 40);
/** Whether the failure tests run in their full form, and not in the one that fits into every change's tests. */
export const isFull = process.env['CRASH_RUNS'] !== undefined;
/** How often a failure test repeats its faults within one history. */
export const rounds = Number(process.env['CRASH_ROUNDS'] ?? 1);

/** How long a tool takes to answer. */
const toolMs = 150;

/** A stream of runs with 0 to 3 tool calls each. */
export type Load = {
  /** Notes that from now on cut work has to be taken up within the lease and two seconds. */
  fault: (what: string) => void;
  accepted: () => number;
  /** Waits until so many more runs have ended than at the time of the call. */
  moreEnded: (count: number, timeoutMs?: number) => Promise<void>;
};

/** Of every 20 runs one is canceled on its way, one meets its deadline, and one is refused by the model. */
function fateOf(index: number): 'canceled' | 'timed_out' | 'failed' | 'succeeded' {
  return ({ 5: 'canceled', 11: 'timed_out', 17: 'failed' } as const)[index % 20] ?? 'succeeded';
}

/** A run of 0 to 3 tool calls, one after the other or all at once, every second of them of a tool that must never be repeated. */
function requestOf(on: StageForTests, index: number, marker: string, load: string) {
  const count = index % 4;
  const shape = index % 8 < 4 ? { tools: count } : { tools: Math.min(count, 1), parallel: Math.max(count, 1) };
  const fate = fateOf(index);
  const script: Script = { run: marker, ...shape, delay: fate === 'timed_out' ? 3000 : 200 + (index % 7) * 120, ...(fate === 'failed' && { fail: '400x9' }) };
  const tool = (name: string, retry: 'safe' | 'never') => ({
    ...functionTool(name, `${on.endpoint.url}/tool/${name}/${marker}?ms=${toolMs}`, { retry }),
    parameters: { type: 'object', properties: { step: { type: 'integer' } } },
  });
  const [lookup, pay] = [tool('lookup', 'safe'), tool('pay', 'never')];
  const callbackUrl = `${on.endpoint.url}/hook/${load}/${index % 5}${index % 5 === 0 ? '?fail=1&status=503' : ''}`;
  const body = request(script, {
    input: { tools: index % 3 === 0 ? [pay, lookup] : [lookup, pay] }, output: { callbackUrl }, ...(fate === 'timed_out' && { options: { timeout: 1 } }),
  });
  return { body, target: callbackUrl.replace(/\?.*/, ''), fate };
}

/** Notes each time that the model was asked or has answered, as its record shows when it is looked at. */
function watchModel(on: StageForTests, history: HistoryEvent[], load: string): () => void {
  const seen = new Map<string, { requests: number; answered: number }>();
  return () => {
    for (const { run, requests, answered, lastAtMs } of on.model.record().runs.filter((one) => one.run.endsWith(load))) {
      const before = seen.get(run) ?? { requests: 0, answered: 0 };
      if (requests > before.requests) history.push({ kind: 'turn', atMs: lastAtMs, marker: run, phase: 'started' });
      if (answered > before.answered) history.push({ kind: 'turn', atMs: Date.now(), marker: run, phase: 'finished' });
      seen.set(run, { requests, answered });
    }
  };
}

/** What the receiver has seen of tool calls and webhooks, in the words of the history. */
function receivedBy(on: StageForTests, load: string): HistoryEvent[] {
  return on.endpoint.requests().filter(({ path }) => path.includes(load)).flatMap((request): HistoryEvent[] => {
    const { atMs, path, body } = request;
    const [, kind, name = '', marker = ''] = path.split('/');
    if (kind === 'tool') {
      const step = String((JSON.parse(body) as { step: number }).step);
      const attempt = Number(request.headers['x-attempt'] ?? 1);
      const key = request.idempotencyKey ?? '';
      return [
        { kind: 'effect', atMs, marker, step, tool: name, key, attempt, retry: name === 'pay' ? 'never' : 'safe' },
        { kind: 'effect_answered', atMs: atMs + toolMs, marker, step },
      ];
    }
    const { runId, status } = JSON.parse(body) as { runId: string; status: string };
    const bodyHash = createHash('sha256').update(body).digest('hex');
    return [{ kind: 'arrival', atMs, runId, status, answered: request.status, deliveryId: request.deliveryId ?? '', target: `${on.endpoint.url}${path}`, bodyHash }];
  });
}

/** Has two subscriptions hear of each run, besides its own callback; returns where. */
async function subscribe(on: StageForTests, api: Api, load: string): Promise<string[]> {
  const targets = ['first', 'second'].map((name) => `${on.endpoint.url}/hook/${load}/${name}`);
  for (const callbackUrl of targets) {
    const { status, text } = await api.call('POST', '/v1/webhooks/subscriptions', { body: { callbackUrl, eventTypes: ['job.succeeded', 'job.failed', 'job.canceled'] } });
    if (status !== 201) throw new Error(`a subscription was answered with ${status}: ${text}`);
  }
  return targets;
}

/** All deliveries of the organisation, read through every page. */
async function deliveriesOf(api: Api): Promise<Deliveries> {
  const deliveries: Deliveries['deliveries'] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: Reply<Pick<Deliveries, 'deliveries'> & { nextCursor: string | null }> = await api.call('GET', `/v1/webhooks/deliveries?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    deliveries.push(...body.deliveries);
    cursor = body.nextCursor;
  }
  return { kind: 'deliveries', atMs: Date.now(), deliveries };
}

/** A reply, or nothing when nobody answered, which is what a client sees of a gateway that is killed. */
async function orUnreachable<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (err) {
    if (['TypeError', 'TimeoutError'].includes((err as Error).name)) return undefined;
    throw err;
  }
}

/** Webhooks, the list, every run once more, and the usage total: each is waited for a while and then taken as it is. */
async function seeEverything(
  on: StageForTests, load: string, api: Api, history: HistoryEvent[], known: string[], look: (runId: string) => Promise<void>,
): Promise<void> {
  await holds(() => checkWebhooks([...history, ...receivedBy(on, load)]).length === 0, { timeoutMs: 45_000, everyMs: 250 });
  // Heard is not yet written down: an answer's commit may be on its way.
  await holds(async () => checkDeliveries([...history, ...receivedBy(on, load), await deliveriesOf(api)]).length === 0, { timeoutMs: 15_000, everyMs: 500 });
  history.push(...receivedBy(on, load), await deliveriesOf(api));
  const runIds: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: Reply<RunPage> = await api.list(`?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    runIds.push(...body.runs.map((run) => run.runId));
    cursor = body.nextCursor;
  }
  history.push({ kind: 'listed', atMs: Date.now(), runIds });
  const lookAgain = async () => {
    const final = finals(history);
    for (const runId of known) if (!final.get(runId)?.usage) await look(runId);
    return known.every((runId) => finals(history).get(runId)?.usage);
  };
  await holds(lookAgain, { timeoutMs: 10_000, everyMs: 250 });
  for (const runId of known) await look(runId);
  const read = async (): Promise<UsageRead> => ({ kind: 'usage', atMs: Date.now(), total: (await api.usage()).body.total });
  await holds(async () => checkUsage([...history, await read()]).length === 0, { timeoutMs: 10_000, everyMs: 250 });
  history.push(await read());
}

/**
 * Keeps `count` runs of a new organisation in flight while `inflict` does its worst, whatever the gateway answers
 * meanwhile: each request is repeated under its key until it is accepted. Then posts no more, waits until all is over,
 * looks at everything once more, and gives back the history for the judge; what never comes is missing in it.
 */
export async function underLoad(
  on: StageForTests, inflict: (load: Load) => Promise<void>, { count = inFlight, settleMs = 90_000, api: given }: { count?: number; settleMs?: number; api?: Api } = {},
): Promise<History> {
  const load = randomUUID();
  const api = given ?? (await on.newTenant());
  const history: HistoryEvent[] = [];
  const open = new Set<string>();
  const known = new Set<string>();
  const phase = { posting: true, watching: true };
  let posted = 0;
  const lookAtModel = watchModel(on, history, load);
  on.model.reset();
  on.endpoint.reset();
  const subscribed = await subscribe(on, api, load);

  async function post(index: number): Promise<void> {
    const marker = `m${index}-${load}`;
    const { body, target, fate } = requestOf(on, index, marker, load);
    while (phase.watching) {
      const reply = await orUnreachable(api.post(body, { 'idempotency-key': marker }));
      if (reply?.status === 202) {
        const { runId } = reply.body;
        history.push({ kind: 'accepted', atMs: Date.now(), runId, marker, requestKey: marker, targets: [target, ...subscribed] });
        known.add(runId);
        open.add(runId);
        if (fate === 'canceled') await orUnreachable(api.cancel(runId));
        return;
      }
      if (reply && reply.status < 500) throw new Error(`POST /v1/runs was answered with ${reply.status}: ${reply.text}`);
      await pause(100);
    }
  }

  async function look(runId: string): Promise<void> {
    const reply = await orUnreachable(api.get(runId));
    if (!reply || reply.status >= 500) return;
    const run = reply.status === 200 ? reply.body : undefined;
    history.push({ kind: 'observed', atMs: Date.now(), runId, httpStatus: reply.status, ...(run && { run }) });
    if (isTerminal(run?.status)) open.delete(runId);
  }

  const poster = async () => {
    while (phase.posting) {
      if (open.size < count) await post(posted++);
      else await pause(20);
    }
  };
  const watcher = async () => {
    while (phase.watching) {
      for (const runId of open) await look(runId);
      await pause(50);
    }
  };
  const modelWatcher = async () => {
    while (phase.watching) {
      lookAtModel();
      await pause(20);
    }
  };
  const posters = Promise.all(Array.from({ length: 8 }, poster));
  const ended = () => known.size - open.size;
  const faults = async () => {
    try {
      await until(() => open.size >= count, { timeoutMs: 30_000, what: () => `${count} runs in flight (${open.size})` });
      await inflict({
        fault: (what) => history.push({ kind: 'fault', atMs: Date.now(), what, leaseMs }),
        accepted: () => known.size,
        moreEnded: async (more, timeoutMs = 30_000) => {
          const enough = ended() + more;
          await until(() => ended() >= enough, { timeoutMs, what: () => `${enough - ended()} more runs to end` });
        },
      });
      phase.posting = false;
      await posters;
      await holds(() => open.size === 0, { timeoutMs: settleMs, everyMs: 50 });
    } finally {
      Object.assign(phase, { posting: false, watching: false });
    }
  };
  const results = await Promise.allSettled([faults(), posters, watcher(), modelWatcher()]);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
  await seeEverything(on, load, api, history, [...known], look);
  return history;
}
