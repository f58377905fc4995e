import { createHash } from 'node:crypto';
import type { CallToolResult, Client, PriorDiscovery, ResponseCacheStore, StreamableHTTPClientTransport, Tool } from '@modelcontextprotocol/client';
import { createFetch, type Egress, type EgressFetch } from '@nightshift/http';
import { BROKEN_OFF, isAnswer, isSessionGone } from './mcp-failure.ts';
import { reconnectDelayMs } from './mcp-reconnect.ts';

/** An MCP server as a run reaches it. */
export interface McpAddress {
  readonly url: string;
  /** With the credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** CIDRs the organisation may reach besides the operator's own. */
  readonly allow: readonly string[];
  readonly orgId: string;
  readonly runId: string;
}

/** One call of a server's tool. */
export interface McpToolCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Connections to MCP servers. Both methods reject with what the official client throws, or with the reason of `signal`. */
export interface McpServers {
  /** The tools of a server, from memory for as long as the server itself allows. */
  list(address: McpAddress, signal: AbortSignal): Promise<readonly Tool[]>;
  call(address: McpAddress, call: McpToolCall): Promise<CallToolResult>;
  close(): Promise<void>;
}

/** What is remembered of a server as one credential sees it, whichever run asks. */
interface Known {
  readonly lists: ResponseCacheStore;
  era: { readonly prior: PriorDiscovery; readonly until: number } | undefined;
}

/** A run's connection to a server: on older revisions a session, with whatever state the server keeps in it. */
interface Connection {
  readonly client: Promise<Client>;
  transport: StreamableHTTPClientTransport | undefined;
  memory: Known | undefined;
  /** Whether the server has answered anything over it: what is remembered of its revision may be wrong. */
  isProven: boolean;
  inFlight: number;
  usedAt: number;
  isRetired: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A call ends after so long without a sign of life, and after so long in all. */
const SILENCE_MAX_MS = 60_000;
const CALL_MAX_MS = 600_000;
const RESPONSE_BYTES_MAX = 4 * 1024 * 1024;
const LIST_PAGES_MAX = 8;
const KNOWN_MAX = 1000;
const ERA_MS = 300_000;
const IDLE_MS = 300_000;
const SWEEP_MS = 30_000;
const GOODBYE_MS = 1000;

/** Connections to MCP servers over one egress: all HTTP goes through it. A server has three times `connectTimeoutMs` until it can be called. */
export function createMcpServers(egress: Egress, { connectTimeoutMs = CONNECT_TIMEOUT_MS } = {}): McpServers {
  const known = new Map<string, Known>();
  const connections = new Map<string, Connection>();

  async function connect(address: McpAddress, memory: Known, connection: Connection): Promise<Client> {
    // Loaded by the first run that needs it: it is as large as the rest of this service.
    const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
    const fetch = withoutListening(createFetch(egress, { timeoutMs: CALL_MAX_MS, responseBytesMax: RESPONSE_BYTES_MAX, allow: address.allow, owner: address.orgId }));
    const attempt = async (prior: PriorDiscovery | undefined): Promise<Client> => {
      const client = new Client(
        { name: 'nightshift', version: '1' },
        {
          versionNegotiation: { mode: 'auto' },
          inputRequired: { autoFulfill: false },
          listMaxPages: LIST_PAGES_MAX,
          responseCacheStore: memory.lists,
          // A result that breaks its own schema is still what the tool did: it is told as it is, and no schema is compiled.
          jsonSchemaValidator: { getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }) },
        },
      );
      connection.transport = new StreamableHTTPClientTransport(new URL(address.url), { fetch, reconnectionScheduler: reconnectLater, requestInit: { headers: { ...address.headers } } });
      endWithStreams(connection.transport);
      await within(connectTimeoutMs * 3, client.connect(connection.transport, { timeout: connectTimeoutMs, ...(prior && { prior }) }), () => void client.close().catch(() => undefined));
      return client;
    };
    const prior = memory.era && memory.era.until > performance.now() ? memory.era.prior : undefined;
    const client = await attempt(prior).catch((err: unknown) => {
      if (!prior) throw err;
      memory.era = undefined;
      return attempt(undefined);
    });
    const discover = client.getDiscoverResult();
    if (!prior) memory.era = { prior: discover ? { kind: 'modern', discover } : { kind: 'legacy' }, until: performance.now() + ERA_MS };
    return client;
  }

  async function knownOf(key: string): Promise<Known> {
    const { InMemoryResponseCacheStore } = await import('@modelcontextprotocol/client');
    const found = known.get(key) ?? { lists: withoutOutputSchemas(new InMemoryResponseCacheStore()), era: undefined };
    known.delete(key);
    known.set(key, found);
    for (const oldest of known.keys()) {
      if (known.size <= KNOWN_MAX) break;
      known.delete(oldest);
    }
    return found;
  }

  function connectionOf(address: McpAddress): { id: string; connection: Connection } {
    const { url, headers, allow, orgId, runId } = address;
    const key = createHash('sha256').update(JSON.stringify([orgId, url, Object.entries(headers).sort(), allow])).digest('base64');
    const id = `${key} ${runId}`;
    let connection = connections.get(id);
    if (!connection) {
      const { promise, resolve } = Promise.withResolvers<Client>();
      const fresh: Connection = { client: promise, transport: undefined, memory: undefined, isProven: false, inFlight: 0, usedAt: 0, isRetired: false };
      resolve(knownOf(key).then((memory) => connect(address, (fresh.memory = memory), fresh)));
      promise.catch(() => undefined);
      connections.set(id, (connection = fresh));
    }
    return { id, connection };
  }

  function retire(id: string, connection: Connection): void {
    connection.isRetired = true;
    if (connections.get(id) === connection) connections.delete(id);
  }

  /** A session that the server forgot is rebuilt once: what was asked in it was not done. */
  async function using<T>(address: McpAddress, signal: AbortSignal, ask: (client: Client) => Promise<T>): Promise<T> {
    for (let isRebuilt = false; ; isRebuilt = true) {
      const { id, connection } = connectionOf(address);
      connection.inFlight += 1;
      try {
        const answer = await ask(await until(connection.client, signal));
        connection.isProven = true;
        return answer;
      } catch (err) {
        if (signal.aborted) throw signal.reason;
        const hadSession = connection.transport?.sessionId !== undefined;
        if (!isAnswer(err) || !connection.isProven) {
          retire(id, connection);
          if (connection.memory) connection.memory.era = undefined;
        }
        if (isRebuilt || !hadSession || !isSessionGone(err)) throw err;
      } finally {
        connection.inFlight -= 1;
        connection.usedAt = performance.now();
        if (connection.isRetired && connection.inFlight === 0) void end(connection);
      }
    }
  }

  const sweep = setInterval(() => {
    const idleSince = performance.now() - IDLE_MS;
    for (const [id, connection] of connections) {
      if (connection.inFlight > 0 || connection.usedAt > idleSince) continue;
      retire(id, connection);
      void end(connection);
    }
  }, SWEEP_MS).unref();

  return {
    list: (address, signal) =>
      using(address, signal, async (client) => {
        if (!client.getServerCapabilities()?.tools) return [];
        return (await client.listTools(undefined, { signal, timeout: CONNECT_TIMEOUT_MS, maxTotalTimeout: CONNECT_TIMEOUT_MS })).tools;
      }),
    call: (address, { name, arguments: args, headers, signal }) =>
      using(address, signal, (client) =>
        client.callTool({ name, arguments: { ...args } }, { signal, headers, timeout: SILENCE_MAX_MS, resetTimeoutOnProgress: true, onprogress: () => undefined, maxTotalTimeout: CALL_MAX_MS }),
      ),
    async close() {
      clearInterval(sweep);
      const open = [...connections.values()];
      connections.clear();
      await Promise.all(open.map(end));
    },
  };
}

/** Says goodbye to a session, as far as the server listens, and closes the connection. */
async function end(connection: Connection): Promise<void> {
  const client = await Promise.race([connection.client.catch(() => undefined), delay(GOODBYE_MS)]);
  if (!client) return connection.transport?.close().catch(() => undefined);
  const goodbye = connection.transport?.terminateSession().catch(() => undefined);
  await Promise.race([goodbye, delay(GOODBYE_MS)]);
  await client.close().catch(() => undefined);
}

const delay = (ms: number): Promise<undefined> => new Promise((resolve) => void setTimeout(() => resolve(undefined), ms).unref());

/** Rejects when something takes longer than that, and calls `giveUp`. */
function within<T>(ms: number, pending: Promise<T>, giveUp: () => void): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(Object.assign(new Error('the server did not answer in time'), { code: 'REQUEST_TIMEOUT' }));
    giveUp();
  }, ms).unref();
  return Promise.race([pending, promise]).finally(() => clearTimeout(timer));
}

function reconnectLater(reconnect: () => void, askedMs: number): () => void {
  const timer = setTimeout(reconnect, reconnectDelayMs(askedMs));
  return () => clearTimeout(timer);
}

/** The client would wait for an answer whose stream has ended until its time is up: this tells it. */
function endWithStreams(transport: StreamableHTTPClientTransport): void {
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    const id = !Array.isArray(message) && 'method' in message && 'id' in message ? message.id : undefined;
    const onRequestStreamEnd = () => id !== undefined && transport.onmessage?.({ jsonrpc: '2.0', id, error: { code: BROKEN_OFF, message: 'the stream ended' } });
    return send(message, { ...options, onRequestStreamEnd });
  };
}

/** What a server says outside of calls interests nobody here: the stream for it, which would stay open, is declined. */
function withoutListening(fetch: EgressFetch): EgressFetch {
  return async (url, init) => {
    const isListening = init?.method === 'GET' && !new Headers(init.headers).has('last-event-id');
    return isListening ? new Response(null, { status: 405 }) : fetch(url, init);
  };
}

/** A store that forgets the schemas of results, which nobody checks. */
function withoutOutputSchemas(store: ResponseCacheStore): ResponseCacheStore {
  return {
    get: (key) => store.get(key),
    set: (key, entry) => store.set(key, key.method === 'tools/list' ? { ...entry, value: strippedList(entry.value) } : entry),
    delete: (key) => store.delete(key),
    evict: (method) => store.evict(method),
    clear: () => store.clear(),
  };
}

function strippedList(value: string): string {
  const list = JSON.parse(value) as { tools: readonly Tool[] };
  return JSON.stringify({ ...list, tools: list.tools.map((tool) => ({ ...tool, outputSchema: undefined })) });
}

/** Waits for a promise that others wait for too, but no longer than `signal` allows. */
function until<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return promise;
}
