import { expect, test, describe } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { restart } from './faults.ts';
import { shapes } from './product.ts';
import { stage } from './stage.ts';
import { until } from './until.ts';

const run = promisify(execFile);
const guide = readFileSync(join(import.meta.dirname, '../docs/streaming.md'), 'utf8');
const ANSWER = 'caf\u00e9 \u2028 one two three '.repeat(60);

const pasted = (language: string): string => {
  const code = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(guide)?.[1];
  if (code === undefined) throw new Error(`The guide has no code in ${language}`);
  return code;
};

describe.each(shapes)('the programs of the streaming guide, as pasted, with %s', (shape) => {
  const on = stage(shape);

  test.each([
    ['ts', process.execPath, 'watch.ts'],
    ['python', 'python3', 'watch.py'],
  ])(`in %s write one document${shape === 'cluster' ? ', although their gateway is killed in the middle' : ''}`, async (language, program, file) => {
    const folder = mkdtempSync(join(tmpdir(), 'guide-'));
    try {
      writeFileSync(join(folder, file), pasted(language));
      const name = `guide-${language}-${Date.now()}`;
      const runId = await on.start({ run: name, pace: 15, answer: ANSWER });
      const watching = run(program, [join(folder, file), runId], { env: { ...process.env, NIGHTSHIFT_URL: `${on.api.base}/v1`, NIGHTSHIFT_API_KEY: on.api.key, PYTHONIOENCODING: 'utf-8' }, timeout: 100_000 });
      await until(() => (on.model.run(name)?.requests ?? 0) > 0, { timeoutMs: 30_000, what: () => 'the request' });
      if (shape === 'cluster') await restart(on.product, ['gateway-1']);
      const { stdout } = await watching;
      expect((JSON.parse(stdout) as { answer: string }).answer).toBe(ANSWER);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
