import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseTarGzip } from 'nanotar';
import { apiOf } from './api.client.ts';
import { shapes } from './product.ts';
import { functionTool, request } from './request.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

const main = new URL('../tools/nightshift/main.ts', import.meta.url).pathname;
const canary = (where: string) => `canary-${where}-0123456789`;

describe.each(shapes)('the operator of %s', (shape) => {
  const on = stage(shape);
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'operator-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs the command as an operator does, beside the installation. */
  async function operate(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
    const { dataDir, adminPort, adminToken, port } = on.product;
    const child = spawn(process.execPath, [main, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir, PORT: String(port), ADMIN_PORT: String(adminPort), ADMIN_TOKEN: adminToken, UPSTREAM_API_KEY: canary('environment'), MY_SECRET: canary('foreign') },
    });
    const said = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, ...said };
  }

  async function told<T>(...args: string[]): Promise<T> {
    const { code, out, err } = await operate('--json', ...args);
    expect([code, err]).toEqual([0, '']);
    return JSON.parse(out) as T;
  }

  test('makes an organisation and a key that works, changes a limit, and revokes the key', async () => {
    const org = await told<{ id: string }>('orgs', 'create', 'Operated', '--rpm', '60', '--egress-allow', '10.20.0.0/16');
    expect(org).toMatchObject({ name: 'Operated', limits: { rpm: 60 }, egressAllow: ['10.20.0.0/16'] });
    expect(await told('orgs', 'update', org.id, '--tpm', '5000', '--rpm', 'none')).toEqual({ ...org, limits: { tpm: 5000 } });
    const key = await told<{ id: string; key: string }>('keys', 'create', org.id, 'ci', '--scope', 'runs:read');
    const client = apiOf(on.product.port, key.key);
    expect((await client.list()).status).toBe(200);
    expect((await operate('keys', 'list', org.id)).out).not.toContain(key.key);
    await told('keys', 'revoke', key.id);
    await until(async () => (await client.list()).status === 401, { timeoutMs: 5000, what: () => 'the revoked key to be refused' });
  });

  test('is told in one line, and with a status, what the server refuses', async () => {
    expect(await operate('keys', 'create', 'org_unknown', 'x')).toEqual({ code: 1, out: '', err: expect.stringMatching(/^nightshift: .*\(404 not_found\)\n$/) });
    expect(await operate('orgs', 'create', 'X', '--egress-allow', 'everywhere')).toEqual({ code: 1, out: '', err: expect.stringMatching(/^nightshift: .*CIDR.*\(400 invalid_request\)\n$/) });
    expect(await operate('dead-letters', 'redrive', '--all', '--dry-run')).toMatchObject({ code: 0, out: '0 would be handled again\n' });
  });

  test('hands on a bundle that says much of the installation, and nothing of its secrets and its users’ data', async () => {
    const { body: org } = await on.admin.call<{ id: string }>('POST', '/orgs', { body: { name: canary('org') } });
    const { body: key } = await on.admin.call<{ key: string }>('POST', `/orgs/${org.id}/keys`, { body: { name: canary('key') } });
    const api = apiOf(on.product.port, key.key);
    const tool = { ...functionTool(`lookup`, `${on.endpoint.url}/tool/weather?q=${canary('url')}`), headers: { authorization: canary('header') }, defaults: { hidden: canary('default') } };
    const { runId } = (await api.post(request({ tools: 1, answer: canary('answer') }, { input: { tools: [tool] }, output: { callbackUrl: `${on.endpoint.url}/hook/${canary('callback')}` } }))).body;
    expect(await on.settled(runId, api)).toMatchObject({ status: 'succeeded' });
    const refused = await api.post({ engine: 'tim-gpt', input: { instructions: canary('refused'), tools: canary('tools') } });
    expect(refused.status).toBe(400);

    const file = join(folder, 'bundle.tar.gz');
    const bundle = await told<{ problems: unknown[]; files: string[] }>('support-bundle', '--output', file, '--log', join(on.product.dataDir, 'e2e.log'));
    expect(bundle.problems).toEqual([]);
    const files = new Map((await parseTarGzip(readFileSync(file))).map(({ name, text }) => [name.replace('nightshift-support/', ''), text]));
    const all = [...files].map(([name, text]) => `${name}\n${text}`).join('\n');
    const { apiKey, adminToken, dataDir } = on.product;
    const kept = ['encryption-key', 'postgres/password'].map((name) => readFileSync(join(dataDir, name), 'utf8').trim());
    for (const secret of ['canary-', apiKey, key.key, adminToken, 'upstream-key', ...kept]) expect(all).not.toContain(secret);

    expect(JSON.parse(files.get('database/migrations.json') ?? '')).toHaveProperty('runs');
    expect(files.get('database/queues.json')).toContain('engine.sessions');
    expect(files.get('dead-letters.json')).toBe('[]\n');
    const name = shape === 'standalone' ? 'standalone' : 'runs-1';
    expect(JSON.parse(files.get(`ready/${name}.json`) ?? '')).toEqual({ status: 'ready' });
    expect(files.get(`metrics/${name}.prom`)).toContain('nightshift_run_duration_seconds_count');
    expect(JSON.parse(files.get(`configuration/${name}.json`) ?? '')).toMatchObject({ EGRESS_ALLOW: '127.0.0.0/8' });
    expect(all).toContain(runId);
  });
});

describe('the operator of a cluster', () => {
  const on = stage('cluster');

  test('finds its topics with all their partitions, and its groups in a bundle', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'operator-'));
    const run = (...args: string[]) =>
      new Promise<{ code: number | null; out: string }>((resolve) => {
        const child = spawn(process.execPath, [main, '--data-dir', on.product.dataDir, ...args], { cwd: folder, env: { PATH: process.env['PATH'], ADMIN_TOKEN: on.product.adminToken } });
        let out = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
        child.once('close', (code) => resolve({ code, out }));
      });
    const { code, out } = await run('--json', 'topics', 'list');
    expect([code, (JSON.parse(out) as { topics: object[] }).topics]).toEqual([0, expect.arrayContaining([{ name: 'run.commanded', partitions: 12, replicas: 1, underReplicated: 0 }])]);
    await run('support-bundle', '--output', 'bundle.tar.gz');
    const groups = (await parseTarGzip(readFileSync(join(folder, 'bundle.tar.gz')))).find(({ name }) => name.endsWith('kafka/groups.json'));
    expect((JSON.parse(groups?.text ?? '[]') as { group: string }[]).map(({ group }) => group)).toEqual(['billing', 'engine-orchestrator', 'runs', 'tool-executor', 'webhook-dispatcher']);
    rmSync(folder, { recursive: true, force: true });
  });
});
