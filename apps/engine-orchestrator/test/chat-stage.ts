import type { ChatRequest, Engine, InternalChat, Upstream, UsageRecorded } from '@nightshift/contracts';
import type { StreamedAnswer } from '@nightshift/http';
import { Relay } from '@nightshift/postgres';
import { timeOrderedHex } from '@nightshift/std';
import { type Catalogue, upstreamOf } from '../src/catalogue.ts';
import { ChatUsageStore } from '../src/chat-usage.store.ts';
import { Chats } from '../src/chats.client.ts';
import { Upstreams } from '../src/upstreams.client.ts';
import { type ChatUpstreamServer, startChatUpstream } from './chat-upstream.ts';
import { engineStage } from './stage.ts';

const TRACE = '00-11111111111111111111111111111111-2222222222222222-01';
const engine: Engine = { id: 'acme/chat', aliases: [], upstreams: [{ name: 'first', model: 'model-a' }, { name: 'second', model: 'model-b' }], prices: { input: 2, cachedInput: 1, output: 10 }, limits: { contextTokens: 10_000 } };

type Settings = Partial<Upstream>;

/** Plain calls on two upstreams, with a database of their own. */
export async function chatStage() {
  const on = await engineStage();
  const [first, second] = await Promise.all([startChatUpstream(), startChatUpstream()]);
  const open: (() => Promise<void>)[] = [];
  const published: UsageRecorded[] = [];

  return {
    on,
    first,
    second,
    /** Usage that was announced, in the order it was. */
    published,
    chats({ engine: changed = {}, waitMs, onTrouble = (err) => console.error(err), ...settings }: { engine?: Partial<Engine>; waitMs?: number; onTrouble?: (err: unknown) => void; first?: Settings; second?: Settings } = {}) {
      const upstream = (server: ChatUpstreamServer, more: Settings = {}) => upstreamOf({ kind: 'openai', baseUrl: server.baseUrl, ...more }, 'sk-upstream-key', 'KEY');
      const catalogue: Catalogue = { engines: [{ ...engine, ...changed }], offline: false, upstreams: { first: upstream(first, settings.first), second: upstream(second, settings.second) } };
      const upstreams = new Upstreams(catalogue);
      const relay = new Relay({ db: on.db, schema: 'engine', publish: async (event) => void published.push(event.payload as UsageRecorded), onTrouble: (err) => console.error(err) });
      const store = new ChatUsageStore(on.db, relay, onTrouble);
      const chats = new Chats(upstreams, store, waitMs);
      open.push(async () => {
        await chats.drain(AbortSignal.abort());
        await relay.stop();
        await upstreams.close();
      });
      return { chats, store, relay, upstreams };
    },
    /** Ends what `chats` made; all usage is announced by then. */
    async settle(): Promise<void> {
      for (const close of open.splice(0)) await close();
    },
    async clear(): Promise<void> {
      await this.settle();
      published.splice(0);
      await on.sql('truncate engine.plain_calls, engine.outbox');
      for (const server of [first, second]) server.requests.splice(0);
    },
    async close(): Promise<void> {
      await this.settle();
      await Promise.all([first.close(), second.close()]);
      await on.close();
    },
  };
}

/** A call as the gateway sends it. */
export function chatCall(request: Partial<ChatRequest> & Record<string, unknown> = {}, more: Partial<InternalChat> = {}): InternalChat {
  return { callId: `chatcmpl-${timeOrderedHex()}`, orgId: 'org_1', apiKeyId: 'key_1', pool: 'shared', request: { model: 'acme/chat', messages: [{ role: 'user', content: 'hi' }], ...request } as ChatRequest, ...more };
}

export const ask = (chats: Chats, call: InternalChat, signal: AbortSignal = new AbortController().signal): Promise<StreamedAnswer> => chats.answer(call, TRACE, signal);

export async function textOf({ body }: StreamedAnswer): Promise<string> {
  if (typeof body === 'string') return body;
  let text = '';
  for await (const piece of body) text += piece;
  return text;
}

/** The data of an event stream's events. */
export function dataOf(text: string): unknown[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => (data === '[DONE]' ? data : (JSON.parse(data) as unknown)));
}
