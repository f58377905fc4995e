/**
 * The client that the official conformance suite drives: `node conformance-client.ts <server url>` lists the server's tools
 * and calls each of them, or makes the calls that the suite asks for. It is the client that runs have, and nothing else.
 */
import { createEgress } from '@nightshift/http';
import { createMcpServers } from '../src/mcp.client.ts';

interface Call {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

const [url = ''] = process.argv.slice(2);
const asked = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as { toolCalls?: Call[] };
const egress = createEgress({ allow: ['127.0.0.0/8', '::1/128'] });
const servers = createMcpServers(egress);
const address = { url, headers: {}, allow: [], orgId: 'org_1', runId: 'run_1' };
const signal = AbortSignal.timeout(100_000);

try {
  const tools = await servers.list(address, signal);
  // The scenario of that name wants to see in an argument what the client read of the first tool's schema.
  const seen = tools.find((tool) => tool.name !== 'json_schema_echo')?.inputSchema;
  const calls = asked.toolCalls ?? tools.map(({ name, inputSchema }): Call => ({ name, arguments: Object.fromEntries(Object.entries((inputSchema.properties ?? {}) as Record<string, { readonly type?: unknown }>).map(([key, { type }]) => [key, key === 'schema' ? seen : sample(type)])) }));
  for (const call of calls) {
    await servers.call(address, { ...call, headers: {}, signal }).catch((err: unknown) => console.error(call.name, err));
  }
} finally {
  await servers.close();
  await egress.close();
}

function sample(type: unknown): unknown {
  if (type === 'number' || type === 'integer') return 2;
  if (type === 'boolean') return true;
  if (type === 'array') return [];
  return type === 'object' ? {} : 'text';
}
