import { AppError, type InternalTestTool, platformToolOf, type ToolTest } from '@nightshift/contracts';
import type { Egress } from '@nightshift/http';
import type { McpTools } from './mcp.tool.ts';
import type { PlatformTools } from './platform.tool.ts';
import type { SavedToolStore } from './saved-tool.store.ts';
import { replyOf, TEST_TIMEOUT_MS, testSavedTool, TOO_LATE } from './saved-tool.tool.ts';

/** Tests of one organisation at a time, in this process. */
const TESTS_MAX = 4;

/** Calls tools once, outside of any run, for whoever is setting them up. */
export class ToolTester {
  readonly #saved: SavedToolStore;
  readonly #platform: PlatformTools;
  readonly #egress: Egress;
  readonly #mcp: McpTools;
  readonly #running = new Map<string, number>();

  constructor(options: { saved: SavedToolStore; platform: PlatformTools; egress: Egress; mcp: McpTools }) {
    this.#saved = options.saved;
    this.#platform = options.platform;
    this.#egress = options.egress;
    this.#mcp = options.mcp;
  }

  /** One call of a saved or built-in tool. More than 4 of an organisation at a time are `rate_limited`. */
  async test(id: string, test: InternalTestTool): Promise<ToolTest> {
    const running = this.#running.get(test.orgId) ?? 0;
    if (running >= TESTS_MAX) throw new AppError('rate_limited', { message: `At most ${TESTS_MAX} tests run at a time.`, headers: { 'retry-after': '1' } });
    this.#running.set(test.orgId, running + 1);
    try {
      if (platformToolOf(id) === undefined) return await testSavedTool(this.#egress, this.#mcp, await this.#saved.get(test.orgId, id), test);
      return await this.#builtIn(id, test);
    } finally {
      const left = (this.#running.get(test.orgId) ?? 1) - 1;
      if (left === 0) this.#running.delete(test.orgId);
      else this.#running.set(test.orgId, left);
    }
  }

  async #builtIn(id: string, test: InternalTestTool): Promise<ToolTest> {
    const startedAt = performance.now();
    const late = AbortSignal.timeout(TEST_TIMEOUT_MS);
    try {
      const result = await this.#platform.call({ tool: { type: 'platform', id }, arguments: test.arguments, orgId: test.orgId, signal: late, allow: test.egressAllow });
      return { reply: replyOf(result, null, startedAt) };
    } catch (err) {
      if (!late.aborted) throw err;
      return { reply: replyOf(TOO_LATE, null, startedAt) };
    }
  }
}
