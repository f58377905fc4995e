import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { parseConfig } from './config.ts';

const Schema = z.object({
  DATABASE_URL: z.string({ error: 'is required' }),
  PORT: z.coerce.number({ error: 'must be a number' }).int().max(65535).default(8080),
  MODE: z.enum(['fast', 'safe']).default('safe'),
  SECRET: z.string().min(8).optional(),
});

let folder: string;
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'config-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const parse = (env: Record<string, string | undefined>) => parseConfig(Schema, { env });
const valid = { DATABASE_URL: 'postgresql://x' };

describe('a configuration', () => {
  test('is the environment with its defaults, and nothing that the app does not know', () => {
    expect(parse({ ...valid, PORT: '7', HOME: '/root' })).toEqual({ ok: true, config: { DATABASE_URL: 'postgresql://x', PORT: 7, MODE: 'safe' } });
  });

  test('counts an empty variable as absent', () => {
    expect(parse({ ...valid, MODE: '', PORT: '', SECRET: undefined })).toMatchObject({ ok: true, config: { MODE: 'safe', PORT: 8080 } });
    expect(parse({ DATABASE_URL: '' })).toEqual({ ok: false, problems: ['DATABASE_URL: is required'] });
  });

  test('that is wrong names every problem at once', () => {
    const result = parse({ PORT: '70000', MODE: 'slow', SECRET: 'short' });
    expect(result.ok).toBe(false);
    expect((result as { problems: string[] }).problems.map((problem) => problem.split(':')[0]).toSorted()).toEqual(['DATABASE_URL', 'MODE', 'PORT', 'SECRET']);
  });

  test('never repeats a secret in its problems', () => {
    expect(JSON.stringify(parse({ ...valid, SECRET: 'hunter2' }))).not.toContain('hunter2');
  });
});

describe('a variable given as a file', () => {
  test('is what the file holds, without the line end', () => {
    expect(parse({ ...valid, SECRET_FILE: file('secret', 'long-secret\n') })).toMatchObject({ ok: true, config: { SECRET: 'long-secret' } });
  });

  test('loses against the variable itself', () => {
    expect(parse({ ...valid, SECRET: 'the-variable', SECRET_FILE: file('other', 'the-file') })).toMatchObject({ config: { SECRET: 'the-variable' } });
  });

  test('is judged like the variable', () => {
    expect(parse({ ...valid, SECRET_FILE: file('short', 'short') })).toEqual({ ok: false, problems: [expect.stringMatching(/^SECRET: /)] });
  });

  test('that cannot be read is a problem beside the others', () => {
    const path = join(folder, 'missing');
    expect(parse({ SECRET_FILE: path, MODE: 'slow', DATABASE_URL_FILE: path })).toEqual({
      ok: false,
      problems: expect.arrayContaining([expect.stringMatching(/^SECRET_FILE: cannot read .*missing: .*no such file/), expect.stringMatching(/^MODE: /), expect.stringMatching(/^DATABASE_URL_FILE: cannot read/)]),
    });
  });

  test('of somebody else is not our business', () => {
    expect(parse({ ...valid, SSL_CERT_FILE: join(folder, 'missing'), ENGINES_FILE: join(folder, 'missing') })).toMatchObject({ ok: true });
  });
});
