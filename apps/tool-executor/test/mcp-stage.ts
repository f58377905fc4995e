import { type SealedMcpTool, type ToolCredentials, type ToolResult, type McpListing } from '@nightshift/contracts';
import { createEgress } from '@nightshift/http';
import { seal } from '@nightshift/std';
import { type McpServerSetup, startMcpServer, type TestMcpServer } from '@nightshift/testing';
import { createMcpServers } from '../src/mcp.client.ts';
import { callMcp, listMcp, type McpCall, type McpCaller } from '../src/mcp.tool.ts';
import { sealKey } from './stage.ts';

const caller: McpCaller = { orgId: 'org_1', runId: 'run_1', egressAllow: [] };

/** An MCP server as a run names it, with its credentials sealed. */
export function mcpTool(url: string, credentials?: ToolCredentials, more: Partial<SealedMcpTool> = {}): SealedMcpTool {
  return { type: 'mcp', url, allowedTools: null, ...(credentials && { sealed: seal(JSON.stringify(credentials), sealKey.publicKey, caller.orgId) }), ...more };
}

/** MCP servers, and the client that a test reaches them with. */
export function mcpStage({ allow = ['127.0.0.1/32'], ...bounds }: { allow?: readonly string[]; connectTimeoutMs?: number } = {}) {
  const egress = createEgress({ allow });
  const servers = createMcpServers(egress, bounds);
  const started: TestMcpServer[] = [];
  const mcp = { servers, sealPrivateKey: sealKey.privateKey };

  return {
    servers,
    async serve(setup: McpServerSetup): Promise<TestMcpServer> {
      const server = await startMcpServer(setup);
      started.push(server);
      return server;
    },
    list: (tool: SealedMcpTool, more: Partial<McpCaller> = {}): Promise<McpListing> => listMcp(mcp, tool, { ...caller, ...more }),
    names: async (tool: SealedMcpTool, more: Partial<McpCaller> = {}): Promise<string[]> => (await listMcp(mcp, tool, { ...caller, ...more })).offers.map(({ name }) => name),
    /** Calls a tool that was listed or, with `isListed: false`, one that could not be. */
    call(tool: SealedMcpTool, name: string | undefined, args: Record<string, unknown> = {}, { isListed = true, ...more }: Partial<McpCall> & { isListed?: boolean } = {}): Promise<ToolResult> {
      const target = { ...(name !== undefined && { name }), isListed, isRepeatable: false };
      return callMcp(mcp, { ...caller, tool: { ...tool, target }, arguments: args, callId: 'call_1', attempt: 1, signal: new AbortController().signal, ...more });
    },
    async close(): Promise<void> {
      await servers.close();
      await egress.close();
      await Promise.all(started.map((server) => server.close()));
    },
  };
}
