import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeliveryDetail } from '@nightshift/contracts';
import { waitFor } from '@nightshift/testing';
import { finishedRun } from './dispatcher.ts';
import { soon, SubscriptionStage, whsec } from './subscription-stage.ts';

const stage = new SubscriptionStage();
const guide = readFileSync(new URL('../../../docs/webhooks.md', import.meta.url), 'utf8');

/** The code of the guide in a language: what readers paste. */
function pasted(language: string): string {
  const [code, ...more] = [...guide.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1] ?? '');
  if (code === undefined || more.length > 0) throw new Error(`the guide has ${more.length + (code === undefined ? 0 : 1)} receivers in ${language}`);
  return code;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe.each([
  ['ts', 'receiver.ts', process.execPath],
  ['python', 'receiver.py', 'python3'],
])('the receiver of the guide in %s', (language, file, command) => {
  const secret = whsec();
  const folder = mkdtempSync(join(tmpdir(), 'receiver-'));
  let child: ChildProcess;
  let port: number;
  let said = '';

  beforeAll(async () => {
    port = await freePort();
    writeFileSync(join(folder, file), pasted(language));
    child = spawn(command, [join(folder, file)], { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PORT: String(port), WEBHOOK_SECRET: secret }, stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout?.on('data', (text: Buffer) => (said += text.toString()));
    await waitFor(() => fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{}' }).then(({ status }) => status === 401, () => false), { timeoutMs: 20_000 });
  });
  afterAll(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    rmSync(folder, { recursive: true });
  });

  test('takes what is signed with its secret, once, while the secret is changed too, and nothing else', async () => {
    const dispatcher = await stage.start({ WEBHOOK_RETRY_SECONDS: '3600' });
    const subscribe = (more: object) => stage.subscribe(dispatcher, '/', { callbackUrl: `http://127.0.0.1:${port}/`, ...more });
    const subscriptions = [await subscribe({ secret }), await subscribe({ secret: whsec() }), await subscribe({})];
    const rotated = await subscribe({ secret: whsec() });
    await dispatcher.call('POST', `/internal/webhooks/subscriptions/${rotated.id}/rotate-secret`, { orgId: 'org_1', graceSeconds: 60, secret });
    const leaving = await subscribe({ secret });
    await dispatcher.call('POST', `/internal/webhooks/subscriptions/${leaving.id}/rotate-secret`, { orgId: 'org_1', graceSeconds: 60, secret: whsec() });
    const run = finishedRun(stage.hook('/callback'), { completedAt: soon() });
    await dispatcher.publish(run);
    const rows = await waitFor(async () => {
      const all = await stage.deliveries();
      return all.length === 6 && all.every(({ attemptCount, held }) => attemptCount === 1 && !held) && all;
    });
    const statusOf = async (target: string) => (await dispatcher.call<DeliveryDetail>('GET', `/internal/webhooks/deliveries/${rows.find((row) => row.target === target)?.id}?orgId=org_1`)).body.attempts[0]?.status;
    expect(await Promise.all([...subscriptions, rotated, leaving].map(({ id }) => statusOf(id)))).toEqual([204, 401, 401, 204, 204]);
    const id = rows.find((row) => row.target === subscriptions[0]?.id)?.id;
    await dispatcher.call('POST', `/internal/webhooks/deliveries/${id}/redeliver`, { orgId: 'org_1' });
    await waitFor(async () => (await stage.deliveries()).find((row) => row.id === id)?.attemptCount === 2);
    expect(said.match(/job\.succeeded/g)).toHaveLength(3);
    expect(said.match(new RegExp(run.runId, 'g'))?.length).toBeGreaterThanOrEqual(3);
  });
});
