import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const module = join(import.meta.dirname, '../src/log.ts');

test('what Node.js warns of is a line of the log', () => {
  const script = `
    import { createLog, logWarnings } from ${JSON.stringify(module)};
    const log = createLog({ level: 'info', format: 'json' });
    logWarnings(log);
    process.emitWarning('mind the gap');
    setTimeout(() => log.flush(), 20);`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = output.trim().split('\n').map((line) => JSON.parse(line) as { level: string; msg: string; err: { message: string } });
  expect(lines.map(({ level, msg, err }) => [level, msg, err.message])).toEqual([['warn', 'Node.js warns', 'mind the gap']]);
});
