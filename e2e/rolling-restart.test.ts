import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { type Api, apiOver, call, type CallOptions, type Reply } from './api.client.ts';
import { documentOf, followRun, judgeStreams } from './event-stream.ts';
import { restart } from './faults.ts';
import { judge } from './history.ts';
import { isFull, underLoad } from './load.ts';
import { pidsOf } from './processes.ts';
import { request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

const ANSWER = 'one two three four five six '.repeat(60);
const someMore = 10;
/** Streams that are begun before each wave of restarts. */
const STREAMS = 3;
const LEFT_OUT_MS = 2000;

jest.setTimeout(600_000);

/** What became of the requests of a client that knows both gateways. */
type Record = { requests: number; failed: string[]; told503: number };

describe('two of each service, restarted in turn under load', () => {
  const on = stage('cluster');
  const gateways = () => [on.product.port, on.product.port + 10].map((port) => `http://127.0.0.1:${port}`);

  /** All one after the other; or, for every change, the first of each kind and then the second. */
  function waves(): string[][] {
    const names = [...pidsOf(on.product.dataDir).keys()].filter((name) => /-\d+$/.test(name)).sort();
    return isFull ? names.map((name) => [name]) : ['-1', '-2'].map((suffix) => names.filter((name) => name.endsWith(suffix)));
  }

  /** Until every process says of itself that it is ready, as whoever replaces them one after the other waits. */
  async function everyoneReady(): Promise<void> {
    const { services } = JSON.parse(readFileSync(join(on.product.dataDir, 'cluster/addresses.json'), 'utf8')) as { services: { name: string; url: string }[] };
    const isReady = ({ url }: { url: string }) => fetch(`${url}/ready`).then(({ ok }) => ok, () => false);
    const missing = async () => (await Promise.all(services.map(async (service) => ((await isReady(service)) ? [] : [service.name])))).flat();
    let last: string[] = [];
    await until(async () => (last = await missing()).length === 0, { timeoutMs: 60_000, everyMs: 100, what: () => `${last.join(', ')} to be ready` });
  }

  /** Goes to the gateways in turn, as a load balancer does, which leaves out for a while who says that it goes, and one that takes no connection; nothing else is forgiven. */
  function balanced(key: string, record: Record): Api {
    let turn = 0;
    const leftOut = new Map<string, number>();
    const isOut = (gateway: string) => Number((leftOut.get(gateway) ?? 0) > Date.now());
    const send = async <T>(method: string, path: string, options?: CallOptions): Promise<Reply<T>> => {
      record.requests += 1;
      const [first, second] = turn++ % 2 === 0 ? gateways() : gateways().toReversed();
      const order = [first as string, second as string].toSorted((one, other) => isOut(one) - isOut(other));
      for (const [tried, gateway] of order.entries()) {
        try {
          const reply = await call<T>(gateway, key, method, path, options);
          const { error } = reply.body as { error?: { code?: string } };
          if (reply.headers.get('connection') === 'close') leftOut.set(gateway, Date.now() + LEFT_OUT_MS);
          if (reply.status === 503 && error?.code === 'service_unavailable' && reply.headers.has('retry-after')) record.told503 += 1;
          else if (reply.status >= 500) record.failed.push(`${method} ${path}: ${reply.status} ${reply.text}`);
          return reply;
        } catch (err) {
          const { cause } = err as { cause?: { syscall?: string } };
          leftOut.set(gateway, Date.now() + LEFT_OUT_MS);
          if (cause?.syscall === 'connect' && tried === 0) continue;
          record.failed.push(`${method} ${path}: ${String(cause ?? err)}`);
          throw err;
        }
      }
      throw new Error('no gateway listens');
    };
    return apiOver({ base: gateways()[0] as string, key, call: send });
  }

  test('fail no request, lose no run, and go on with every stream', async () => {
    const { key } = await on.newTenant();
    const record: Record = { requests: 0, failed: [], told503: 0 };
    const api = balanced(key, record);
    // Streams are of an organisation of their own, for the load's is judged as a whole.
    const watcher = balanced((await on.newTenant()).key, record);
    const streams: Promise<string[]>[] = [];
    const watch = async (): Promise<string[]> => {
      const { runId } = (await watcher.post(request({ pace: 20, answer: ANSWER }))).body;
      const refused = (status: number) => void record.failed.push(`stream of ${runId}: ${status}`);
      const observed = await Promise.all([0, 1].map((first) => followRun(gateways(), { key: watcher.key, runId, first, refused })));
      const { answer } = JSON.parse(documentOf(observed[0]?.events ?? [])) as { answer: string };
      return [...judgeStreams(observed), ...(answer === ANSWER ? [] : [`${runId} answers ${answer}`])];
    };
    const history = await underLoad(on, async (load) => {
      for (const names of waves()) {
        streams.push(...Array.from({ length: STREAMS }, watch));
        await load.moreEnded(someMore);
        await restart(on.product, names, 'SIGTERM');
        await everyoneReady();
        await load.moreEnded(someMore);
      }
    }, { api });
    expect((await Promise.all(streams)).flat()).toEqual([]);
    expect(judge(history)).toEqual([]);
    expect(record.failed).toEqual([]);
    // Who is told to come back was heard; it is the exception all the same.
    expect(record.told503).toBeLessThan(record.requests / 20);
  });
});
