import { AnyTool, AppError, type InternalSaveTool, type InternalTestTool, InternalToolSaved, InternalResolvedTools, type InternalUpdateTool, PLATFORM_TOOLS, platformToolOf, SavedTool, type SealedTool, type Tool, ToolList, ToolTest } from '@nightshift/contracts';
import type { InternalClient } from '@nightshift/http';
import { z } from 'zod';
import type { PoolClients } from './pool.client.ts';

type PlatformTool = Extract<Tool, { type: 'platform' }>;

/** The owner of saved tools, on behalf of an organisation. */
export class ToolsClient {
  readonly #client: InternalClient;
  readonly #pools: Pick<PoolClients, 'readerOf' | 'workerOf'>;

  constructor(client: InternalClient, pools: Pick<PoolClients, 'readerOf' | 'workerOf'>) {
    this.#client = client;
    this.#pools = pools;
  }

  save(tool: InternalSaveTool): Promise<InternalToolSaved> {
    return this.#client.call({ method: 'POST', path: '/internal/tools', body: tool }, InternalToolSaved);
  }

  list(orgId: string): Promise<ToolList> {
    return this.#client.call({ method: 'GET', path: pathOf('', orgId) }, ToolList);
  }

  get(id: string, orgId: string): Promise<AnyTool> {
    return this.#client.call({ method: 'GET', path: pathOf(id, orgId) }, AnyTool);
  }

  update(id: string, update: InternalUpdateTool): Promise<SavedTool> {
    return this.#client.call({ method: 'PATCH', path: pathOf(id, update.orgId), body: update }, SavedTool);
  }

  async remove(id: string, orgId: string): Promise<void> {
    await this.#client.call({ method: 'DELETE', path: pathOf(id, orgId) }, z.unknown());
  }

  /** Calls the tool's endpoint, at most once. */
  test(id: string, test: InternalTestTool, pool: string): Promise<ToolTest> {
    return this.#pools.workerOf('tool-executor', pool).call({ method: 'POST', path: `/internal/tools/${encodeURIComponent(id)}/test`, body: test, unrepeatable: true }, ToolTest);
  }

  /** The saved tools that a run names, by the id or name it uses. A run without any costs nothing; an unknown id, and options for a saved tool, are `invalid_request`. */
  async resolve(tools: readonly Tool[], { orgId, pool }: { orgId: string; pool: string }): Promise<ReadonlyMap<string, SealedTool>> {
    const ids = tools.flatMap((tool) => (tool.type === 'platform' && platformToolOf(tool.id) === undefined ? [tool.id] : []));
    if (ids.length === 0) return new Map();
    const found = await this.#pools.readerOf('tool-executor', pool).call({ method: 'POST', path: '/internal/tools/resolve', body: { orgId, ids } }, InternalResolvedTools);
    const known = new Map(Object.entries(found.tools));
    const problems = tools.flatMap((tool, index) => (tool.type === 'platform' && ids.includes(tool.id) ? problemsOf(tool, index, known) : []));
    if (problems.length > 0) throw new AppError('invalid_request', { message: problems.slice(0, 5).map(([field, problem]) => `${field}: ${problem}`).join('; '), details: { fields: Object.fromEntries(problems) } });
    return known;
  }
}

function problemsOf({ id, options }: PlatformTool, index: number, known: ReadonlyMap<string, SealedTool>): [string, string][] {
  if (!known.has(id)) return [[`input.tools.${index}.id`, `unknown tool ${JSON.stringify(id)}; it is neither the id or name of a saved tool nor one of ${Object.keys(PLATFORM_TOOLS).join(', ')}`]];
  // Released clients send an empty object with each.
  const hasOptions = Object.keys(options ?? {}).length > 0;
  return hasOptions ? [[`input.tools.${index}.options`, `the saved tool ${JSON.stringify(id)} takes none; save it with defaults instead`]] : [];
}

function pathOf(id: string, orgId: string): string {
  return `/internal/tools${id === '' ? '' : `/${encodeURIComponent(id)}`}?${new URLSearchParams({ orgId }).toString()}`;
}
