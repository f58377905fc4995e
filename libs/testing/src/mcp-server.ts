import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import type { McpServer } from '@modelcontextprotocol/server';
import type { McpEffects } from './mcp-tools.ts';

/** One request as it arrived. */
export interface McpRequest {
  readonly httpMethod: string;
  /** Of the JSON-RPC message, such as `tools/call`; empty for a request without one. */
  readonly method: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface TestMcpServer {
  readonly url: string;
  readonly effects: McpEffects;
  /** What arrived, of that JSON-RPC method alone if one is given. */
  requests(method?: string): McpRequest[];
  /** Ends all sessions, as a restart of the server does: 2025 only. */
  forgetSessions(): void;
  reset(): void;
  close(): Promise<void>;
}

/** How a server is set up: `2025` keeps sessions and knows nothing newer than 2025-11-25, `2026` knows only 2026-07-28. */
export interface McpServerSetup {
  readonly revision: '2025' | '2026';
  /** How long clients may keep the list of tools; 2026 only. */
  readonly ttlMs?: number;
  /** What every request has to carry in a header, or it is answered with 401. */
  readonly credential?: { readonly header: string; readonly value: string };
  /** Called before a request is answered, and may answer it itself. */
  readonly before?: (req: IncomingMessage, res: ServerResponse, message: { readonly method: string; readonly id: unknown }) => void;
  readonly port?: number;
}

/** A real MCP server over Streamable HTTP, with the tools of `registerTools`. */
export async function startMcpServer({ revision, ttlMs, credential, before, port = 0 }: McpServerSetup): Promise<TestMcpServer> {
  // Most tests of this library's users need no such server, and it is large.
  const { createMcpHandler, McpServer } = await import('@modelcontextprotocol/server');
  const { NodeStreamableHTTPServerTransport, toNodeHandler } = await import('@modelcontextprotocol/node');
  const { registerTools } = await import('./mcp-tools.ts');
  const effects: McpEffects = { written: [], canceled: 0, waiting: 0 };
  const requests: McpRequest[] = [];
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const build = (): McpServer => {
    const server = new McpServer({ name: 'test', version: '1.0.0' }, ttlMs === undefined ? {} : { cacheHints: { 'tools/list': { ttlMs, cacheScope: 'private' } } });
    registerTools(server, effects);
    return server;
  };
  const handler = createMcpHandler(build, { legacy: 'reject' });
  const modern = toNodeHandler(handler);

  async function inSession(req: IncomingMessage, res: ServerResponse, body: unknown): Promise<void> {
    const id = req.headers['mcp-session-id'];
    const known = typeof id === 'string' ? sessions.get(id) : undefined;
    if (known) return known.handleRequest(req, res, body);
    if (id !== undefined) return void res.writeHead(404).end();
    const transport = new NodeStreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (session) => void sessions.set(session, transport) });
    await build().connect(transport);
    await transport.handleRequest(req, res, body);
  }

  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const body = text === '' ? undefined : (JSON.parse(text) as { method?: string; id?: unknown });
      const method = body?.method ?? '';
      requests.push({ httpMethod: req.method ?? '', method, headers: req.headers as Record<string, string | undefined> });
      if (credential && req.headers[credential.header.toLowerCase()] !== credential.value) return void res.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      before?.(req, res, { method, id: body?.id });
      if (res.headersSent) return;
      void (revision === '2026' ? modern(req, res, body) : inSession(req, res, body));
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    effects,
    requests: (method) => requests.filter((request) => method === undefined || request.method === method),
    forgetSessions: () => sessions.clear(),
    reset() {
      requests.splice(0);
      Object.assign(effects, { written: [], canceled: 0, waiting: 0 });
    },
    async close() {
      await Promise.all([...sessions.values()].map((transport) => transport.close()));
      await handler.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
