import { PoolList, type Waiting } from '@nightshift/contracts';
import type { Command } from 'commander';
import { action, type Said, type Shell } from './action.ts';
import { AdminApi } from './admin-api.ts';
import { EXIT } from './failure.ts';
import type { Installation } from './installation.ts';
import { table } from './table.ts';

/** `pools list`. */
export function addPools(program: Command, shell: Shell): void {
  const pools = program.command('pools').description('capacity of an organisation’s own; which one does its runs: `orgs update --pool`');
  pools.command('list').description('each pool with its processes and what waits; ends with 1 when one lacks processes').action(action(shell, list));
}

async function list(installation: Installation): Promise<Said> {
  const { pools } = await new AdminApi(installation).call('GET', '/pools', PoolList);
  const waiting = (what: Waiting | undefined) => (what === undefined ? '-' : what.count === 0 ? '0' : `${what.count} (${Math.round(what.oldestSeconds)} s)`);
  const rows = pools.map(({ name, state, orgs, engines, executors, queuedRuns, turns, toolCalls }) => [name, state, String(orgs.length), String(engines.live), String(executors.live), waiting(queuedRuns), waiting(turns), waiting(toolCalls)]);
  const problems = pools.flatMap((pool) => pool.problems.map((problem) => `${pool.name}: ${problem}`));
  return {
    json: { pools },
    text: [table(['POOL', 'STATE', 'ORGS', 'ENGINES', 'EXECUTORS', 'RUNS', 'TURNS', 'CALLS'], rows), ...problems].join('\n'),
    exitCode: problems.length > 0 ? EXIT.trouble : EXIT.done,
  };
}
