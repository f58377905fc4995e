import { readlinkSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { buildBilling } from '@nightshift/billing';
import { buildEngineOrchestrator } from '@nightshift/engine-orchestrator';
import { type BusEvent, LocalBus } from '@nightshift/messaging';
import { createLog, flushLogPeriodically, type Logger, logWarnings, type Phase, registry, Shutdown, startTracing, traceSettings } from '@nightshift/runtime';
import { buildRuns } from '@nightshift/runs';
import { must } from '@nightshift/std';
import { buildToolExecutor } from '@nightshift/tool-executor';
import { buildWebhookDispatcher } from '@nightshift/webhook-dispatcher';
import { compose, type Composed, type Facts } from './services.server.ts';
import { ThreadLink } from './thread.link.ts';

/** The thread that works: all that happens after a run was accepted happens here, so that accepting never waits for it. */
const link = new ThreadLink(must(parentPort, 'the thread that serves the API'));
const shutdown = new Shutdown();
const bus = new LocalBus();
const NICENESS = 5;
let log: Logger | undefined;
let composed: Composed | undefined;

link.serve<BusEvent>('publish', (event) => bus.publish(event));
link.serve<Facts>('build', async (facts) => {
  const { environment } = facts;
  log = createLog(facts.log);
  logWarnings(log);
  flushLogPeriodically(log);
  stepBack(log);
  shutdown.add('close', 'tracing', await startTracing('nightshift', traceSettings(environment), { log }));
  composed = await compose(
    { runs: buildRuns, 'engine-orchestrator': buildEngineOrchestrator, 'tool-executor': buildToolExecutor, 'webhook-dispatcher': buildWebhookDispatcher, billing: buildBilling },
    facts,
    { bus, link, log, shutdown },
  );
});
link.serve('start', () => {
  must(composed, 'services').services.forEach((service) => service.start());
  flushCompileCache();
});
link.serve('readiness', () => composed?.readiness.results());
link.serve('metrics', () => registry.getMetricsAsJSON());
link.serve('hurry', () => shutdown.hurry());
link.serve<Phase>('shutdown', async (phase) => {
  if (!log) return;
  await shutdown.runPhase(phase, log);
  log.flush();
});

/** Where the threads compete for the processor, accepting goes first. Linux alone gives threads priorities of their own. */
function stepBack(log: Logger): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICENESS);
  } catch (err) {
    log.debug({ err }, 'the thread that works keeps its priority');
  }
}
