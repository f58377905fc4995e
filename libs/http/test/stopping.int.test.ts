import { Controller, Get } from '@nestjs/common';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectionsGone, createApp, portOf } from '@nightshift/http';
import { createLog } from '@nightshift/runtime';
import { waitFor } from '@nightshift/testing';
import { Pool } from 'undici';

let isStopping: boolean;
let release: () => void;
let held: number;

@Controller()
class SlowController {
  @Get('quick')
  quick(): { n: number } {
    return { n: 1 };
  }

  @Get('slow')
  async slow(): Promise<{ n: number }> {
    held += 1;
    await new Promise<void>((resolve) => (release = resolve));
    return { n: 2 };
  }
}
class TestModule {}

let app: Awaited<ReturnType<typeof createApp>>;
let client: Pool;

beforeEach(async () => {
  [isStopping, held, release] = [false, 0, () => undefined];
  app = await createApp({ module: TestModule, controllers: [SlowController] }, { name: 'test', log: createLog({ level: 'silent', format: 'json' }), isStopping: () => isStopping });
  await app.listen(0, '127.0.0.1');
  client = new Pool(`http://127.0.0.1:${portOf(app)}`, { connections: 1, keepAliveTimeout: 60_000 });
});
afterEach(async () => {
  await client.destroy();
  await app.close();
});

const get = async (path: string) => {
  const { statusCode, headers, body } = await client.request({ method: 'GET', path });
  return { status: statusCode, connection: headers['connection'], body: await body.json() };
};

test('an application that stops goes on to answer, and each answer lets its connection go', async () => {
  expect(await get('/quick')).toEqual({ status: 200, connection: 'keep-alive', body: { n: 1 } });
  isStopping = true;
  expect(await get('/quick')).toEqual({ status: 200, connection: 'close', body: { n: 1 } });
  await connectionsGone(app, new AbortController().signal);
  expect(client.stats.connected).toBe(0);
});

test('a connection that nobody uses is not waited for when time is up', async () => {
  await get('/quick');
  await connectionsGone(app, AbortSignal.abort());
  expect(client.stats.connected).toBe(1);
});

test('what is asked while the application closes is answered, not cut off', async () => {
  const slow = get('/slow');
  await waitFor(() => held === 1);
  const closed = app.close();
  release();
  expect(await slow).toMatchObject({ status: 200, body: { n: 2 } });
  await closed;
});
