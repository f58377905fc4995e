import { isDeepStrictEqual } from 'node:util';

/** Fields of the public run object that the checks read; everything else in it takes part in the comparison only. */
export type RunObject = {
  runId: string;
  status: string;
  updatedAt?: string;
  completedAt?: string;
  usage?: { inputTokens?: number; outputTokens?: number; toolCalls?: Record<string, number> };
};

/** `total` of `GET /v1/usage`. */
export type UsageTotal = { inputTokens: number; outputTokens: number; toolCalls: number; runs: number };

/** `marker` names a run before it has an id: it is written into the instructions, and every model request and tool call carries it. */
export type Accepted = { kind: 'accepted'; atMs: number; runId: string; marker: string; requestKey: string; targets: readonly string[] };
/** One `GET /v1/runs/{id}` or cancel reply; `run` is absent when the reply was no run. */
export type Observed = { kind: 'observed'; atMs: number; runId: string; httpStatus: number; run?: RunObject };
/** All run ids that the list knows, read once through every page. */
export type Listed = { kind: 'listed'; atMs: number; runIds: string[] };
/** The model was asked, or its answer went out whole. */
export type Turn = { kind: 'turn'; atMs: number; marker: string; phase: 'started' | 'finished' };
/** A tool request at the receiver. `step` is the model's own number of the call, so the same step of the same marker is the same call. */
export type Effect = {
  kind: 'effect';
  atMs: number;
  marker: string;
  step: string;
  tool: string;
  key: string;
  attempt: number;
  retry: 'safe' | 'never';
};
/** The receiver has answered a tool request. */
export type EffectAnswered = { kind: 'effect_answered'; atMs: number; marker: string; step: string };
export type Arrival = {
  kind: 'arrival';
  atMs: number;
  /** The HTTP status that the receiver answered with. */
  answered: number;
  deliveryId: string;
  runId: string;
  target: string;
  status: string;
  bodyHash: string;
};
/** The organisation's deliveries as its API shows them. */
export type Deliveries = { kind: 'deliveries'; atMs: number; deliveries: { id: string; runId: string; status: string; attemptCount: number }[] };
export type UsageRead = { kind: 'usage'; atMs: number; total: UsageTotal };
/** From here on work has to go on: the moment of a kill, or the end of an outage. `leaseMs` is the product's WORK_LEASE_MS. */
export type Fault = { kind: 'fault'; atMs: number; what: string; leaseMs: number };

export type HistoryEvent = Accepted | Observed | Listed | Turn | Effect | EffectAnswered | Arrival | Deliveries | UsageRead | Fault;
export type History = readonly HistoryEvent[];

const terminal = new Set(['succeeded', 'failed', 'canceled', 'timed_out']);

/** Time that is allowed on top of the lease until cut work is taken up again. */
export const takeoverMs = 2000;

export function isTerminal(status: string | undefined): boolean {
  return status !== undefined && terminal.has(status);
}

function of<K extends HistoryEvent['kind']>(history: History, kind: K): Extract<HistoryEvent, { kind: K }>[] {
  return history.filter((event): event is Extract<HistoryEvent, { kind: K }> => event.kind === kind);
}

/** What a run may not change once it is terminal: all of it, but a run that was stopped learns only then what it has used. */
function settledPart(run: RunObject): Partial<RunObject> {
  const { usage: _, updatedAt: __, ...rest } = run;
  return rest;
}

function isSameEnd(before: RunObject, after: RunObject): boolean {
  return before.usage ? isDeepStrictEqual(before, after) : isDeepStrictEqual(settledPart(before), settledPart(after));
}

/** The final object of each run that was seen in a terminal state, with its usage as soon as that was seen. */
export function finals(history: History): Map<string, RunObject> {
  const seen = new Map<string, RunObject>();
  for (const { runId, run } of of(history, 'observed')) {
    if (run && isTerminal(run.status) && !seen.get(runId)?.usage) seen.set(runId, run);
  }
  return seen;
}

/** Every accepted run was seen terminal, and what was seen then is what every later look shows; only its usage may come later, once. */
export function checkOneTerminalState(history: History): string[] {
  const seen = new Map<string, RunObject>();
  const faults: string[] = [];
  for (const { runId, run, httpStatus } of of(history, 'observed')) {
    if (!run) continue;
    const final = seen.get(runId);
    if (run.runId !== runId) faults.push(`${runId}: a look at it (HTTP ${httpStatus}) showed ${run.runId}`);
    if (final && !isSameEnd(final, run)) {
      faults.push(`${runId}: changed after it was terminal, ${JSON.stringify(final)} became ${JSON.stringify(run)}`);
    } else if (isTerminal(run.status)) seen.set(runId, run);
  }
  for (const runId of new Set(of(history, 'accepted').map((event) => event.runId))) {
    if (!seen.has(runId)) faults.push(`${runId}: was accepted and never seen in a terminal state`);
  }
  return faults;
}

/** An accepted run is never unknown, a repeated request names the same run, and the list holds the accepted runs and no other. */
export function checkNoRunUnknown(history: History): string[] {
  const faults: string[] = [];
  const accepted = of(history, 'accepted');
  const byRequest = new Map<string, string>();
  for (const { requestKey, runId } of accepted) {
    const first = byRequest.get(requestKey) ?? runId;
    if (first !== runId) faults.push(`request ${requestKey}: was accepted as ${first} and again as ${runId}`);
    byRequest.set(requestKey, first);
  }
  for (const { runId, httpStatus } of of(history, 'observed')) {
    if (httpStatus === 404) faults.push(`${runId}: was answered with 404`);
  }
  const runIds = new Set(accepted.map((event) => event.runId));
  for (const list of of(history, 'listed')) {
    const listed = new Set(list.runIds);
    if (listed.size !== list.runIds.length) faults.push(`the list shows ${list.runIds.length - listed.size} runs twice`);
    for (const runId of runIds) if (!listed.has(runId)) faults.push(`${runId}: was accepted and is not in the list`);
    for (const runId of listed) if (!runIds.has(runId)) faults.push(`${runId}: is in the list and nobody's request was answered with it`);
  }
  return faults;
}

/** One call has one Idempotency-Key however often it arrives, one key belongs to one call, and `retry: never` arrives once. */
export function checkEffects(history: History): string[] {
  const faults: string[] = [];
  const keyOf = new Map<string, string>();
  const callOf = new Map<string, string>();
  const arrivals = new Map<string, number>();
  for (const effect of of(history, 'effect')) {
    const call = `${effect.marker}/${effect.step}`;
    if (effect.key === '') faults.push(`call ${call}: arrived without an Idempotency-Key`);
    const key = keyOf.get(call) ?? effect.key;
    if (key !== effect.key) faults.push(`call ${call}: arrived with the keys ${key} and ${effect.key}`);
    const owner = callOf.get(effect.key) ?? call;
    if (owner !== call) faults.push(`key ${effect.key}: was used for the calls ${owner} and ${call}`);
    const count = (arrivals.get(call) ?? 0) + 1;
    if (count > 1 && effect.retry === 'never') faults.push(`call ${call}: must never be repeated and arrived ${count} times`);
    keyOf.set(call, key);
    callOf.set(effect.key, owner);
    arrivals.set(call, count);
  }
  return faults;
}

/** Each finished run has one delivery id at each of its targets, is heard there at least once, with its true status and always the same bytes. */
export function checkWebhooks(history: History): string[] {
  const faults: string[] = [];
  const final = finals(history);
  const firstByDelivery = new Map<string, Arrival>();
  const deliveryByTarget = new Map<string, string>();
  for (const arrival of of(history, 'arrival')) {
    const { deliveryId, runId, target } = arrival;
    const first = firstByDelivery.get(deliveryId) ?? arrival;
    firstByDelivery.set(deliveryId, first);
    if (first.runId !== runId || first.target !== target) {
      faults.push(`delivery ${deliveryId}: is ${first.runId} to ${first.target} and also ${runId} to ${target}`);
    }
    if (first.bodyHash !== arrival.bodyHash) faults.push(`delivery ${deliveryId}: arrived with two different bodies`);
    const known = deliveryByTarget.get(`${runId} to ${target}`) ?? deliveryId;
    deliveryByTarget.set(`${runId} to ${target}`, known);
    if (known !== deliveryId) faults.push(`${runId}: has the deliveries ${known} and ${deliveryId} to ${target}`);
    const status = final.get(runId)?.status;
    if (status !== arrival.status) faults.push(`${runId}: the webhook says ${arrival.status}, the run says ${status}`);
  }
  const heard = new Set(of(history, 'arrival').filter(({ answered }) => answered < 300).map(({ runId, target }) => `${runId} to ${target}`));
  for (const { runId, targets } of of(history, 'accepted')) {
    for (const target of targets) if (!heard.has(`${runId} to ${target}`)) faults.push(`${runId}: no webhook was ever heard at ${target}`);
  }
  return faults;
}

/** The API shows one delivery for each run and target, and of each what the receiver knows of it: delivered if it was heard, and no attempt that never came. */
export function checkDeliveries(history: History): string[] {
  const read = of(history, 'deliveries').at(-1);
  if (!read) return ['the deliveries were never read'];
  const faults: string[] = [];
  const arrivals = Map.groupBy(of(history, 'arrival'), ({ deliveryId }) => deliveryId);
  for (const { id, runId, status, attemptCount } of read.deliveries) {
    const came = arrivals.get(id) ?? [];
    const isHeard = came.some(({ answered }) => answered >= 200 && answered < 300);
    if ((status === 'delivered') !== isHeard) faults.push(`${runId}: delivery ${id} is ${status}, and was ${isHeard ? '' : 'not '}heard`);
    if (attemptCount > came.length) faults.push(`${runId}: delivery ${id} shows ${attemptCount} attempts, and ${came.length} came`);
  }
  const shown = Map.groupBy(read.deliveries, ({ runId }) => runId);
  for (const [runId, { targets }] of new Map(of(history, 'accepted').map((event) => [event.runId, event]))) {
    const count = shown.get(runId)?.length ?? 0;
    if (count !== targets.length) faults.push(`${runId}: the API shows ${count} deliveries for ${targets.length} targets`);
  }
  const known = new Set(read.deliveries.map(({ id }) => id));
  for (const id of arrivals.keys()) if (!known.has(id)) faults.push(`delivery ${id}: arrived, and the API does not know it`);
  return faults;
}

/** What the runs say they used: the right side of the comparison with `GET /v1/usage`. */
export function usageOfRuns(history: History): UsageTotal {
  const sum: UsageTotal = { inputTokens: 0, outputTokens: 0, toolCalls: 0, runs: 0 };
  for (const { usage } of finals(history).values()) {
    sum.runs += 1;
    sum.inputTokens += usage?.inputTokens ?? 0;
    sum.outputTokens += usage?.outputTokens ?? 0;
    for (const count of Object.values(usage?.toolCalls ?? {})) sum.toolCalls += count;
  }
  return sum;
}

/** The last usage total that was read equals the sum of the runs' own usage. */
export function checkUsage(history: History): string[] {
  const read = of(history, 'usage').at(-1);
  if (!read) return ['usage was never read'];
  const runs = usageOfRuns(history);
  const names = ['inputTokens', 'outputTokens', 'toolCalls', 'runs'] as const;
  return names.filter((name) => read.total[name] !== runs[name])
    .map((name) => `${name}: the usage total says ${read.total[name]}, the runs together say ${runs[name]}`);
}

type Activity = { atMs: number; marker: string; open?: string; close?: string; isProgress: boolean; isEnd?: boolean };

/** A turn that starts closes whatever came before it in that run. An answer that a receiver gave may have reached nobody. */
function activities(history: History): Activity[] {
  const markerOf = new Map(of(history, 'accepted').map((event) => [event.runId, event.marker]));
  const list: Activity[] = [];
  for (const event of history) {
    const { atMs } = event;
    if (event.kind === 'turn') {
      list.push({ atMs, marker: event.marker, isProgress: true, close: '*', ...(event.phase === 'started' && { open: 'turn' }) });
    } else if (event.kind === 'effect') list.push({ atMs, marker: event.marker, isProgress: true, open: event.step });
    else if (event.kind === 'effect_answered') list.push({ atMs, marker: event.marker, isProgress: false, close: event.step });
    else if (event.kind === 'observed' && isTerminal(event.run?.status)) {
      // When it ended, and not when somebody was there to ask.
      const endedAtMs = Math.min(atMs, Date.parse(event.run?.completedAt ?? '') || atMs);
      list.push({ atMs: endedAtMs, marker: markerOf.get(event.runId) ?? event.runId, isProgress: true, close: '*', isEnd: true });
    }
  }
  return list.sort((a, b) => a.atMs - b.atMs);
}

/** The runs that had a model turn or a tool call open at that time and had not ended. */
function openAt(list: readonly Activity[], atMs: number): string[] {
  const open = new Map<string, Set<string>>();
  const ended = new Set<string>();
  for (const event of list) {
    if (event.atMs > atMs) break;
    if (event.isEnd) ended.add(event.marker);
    const steps = open.get(event.marker) ?? new Set();
    if (event.close === '*') steps.clear();
    else if (event.close) steps.delete(event.close);
    if (event.open) steps.add(event.open);
    open.set(event.marker, steps);
  }
  return [...open].filter(([marker, steps]) => steps.size > 0 && !ended.has(marker)).map(([marker]) => marker);
}

/** Model turns and tool calls that were open when a fault struck are answered or taken up again within the lease and two seconds. */
export function checkProgress(history: History): string[] {
  const faults: string[] = [];
  const list = activities(history);
  for (const { atMs, what, leaseMs } of of(history, 'fault')) {
    for (const marker of openAt(list, atMs)) {
      const next = list.find((event) => event.marker === marker && event.atMs > atMs && event.isProgress);
      const waitedMs = (next?.atMs ?? Infinity) - atMs;
      if (waitedMs > leaseMs + takeoverMs) faults.push(`${marker}: after ${what} its work stood still for ${Math.round(waitedMs)} ms`);
    }
  }
  return faults;
}

/** Every check at once; an empty list means that the history is good. */
export function judge(history: History): string[] {
  const checks = [checkOneTerminalState, checkNoRunUnknown, checkEffects, checkWebhooks, checkDeliveries, checkUsage, checkProgress];
  return checks.flatMap((check) => check(history).map((fault) => `${check.name}: ${fault}`));
}
