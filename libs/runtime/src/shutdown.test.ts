import { describe, expect, jest, test } from '@jest/globals';
import { createLog } from './log.ts';
import { ReadinessChecks } from './readiness.ts';
import { PHASES, Shutdown, shutdownOnSignal } from './shutdown.ts';

const log = createLog({ level: 'silent', format: 'json' });
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a shutdown', () => {
  test('goes phase by phase, whatever order the steps were added in', async () => {
    const shutdown = new Shutdown();
    const done: string[] = [];
    for (const phase of PHASES.toReversed()) {
      shutdown.add(phase, phase, async () => {
        await settle();
        done.push(phase);
      });
    }
    expect(shutdown.started).toBe(false);
    const running = shutdown.run(log, 1000);
    expect(shutdown.started).toBe(true);
    await running;
    expect(done).toEqual(['refuse', 'drain', 'finish', 'hang_up', 'flush', 'close', 'end']);
  });

  test('takes the steps of a phase side by side, and the next phase when all are done', async () => {
    const shutdown = new Shutdown();
    let release: () => void = () => undefined;
    const began: string[] = [];
    shutdown.add('drain', 'slow', () => {
      began.push('slow');
      return new Promise((resolve) => (release = resolve));
    });
    shutdown.add('drain', 'quick', () => void began.push('quick'));
    shutdown.add('close', 'late', () => void began.push('late'));
    const running = shutdown.run(log, 60_000);
    await settle();
    expect(began).toEqual(['slow', 'quick']);
    release();
    await running;
    expect(began).toEqual(['slow', 'quick', 'late']);
  });

  test('goes on after a step that fails', async () => {
    const shutdown = new Shutdown();
    const done: string[] = [];
    shutdown.add('drain', 'rejects', () => Promise.reject(new Error('no')));
    shutdown.add('drain', 'throws', () => {
      throw new Error('no');
    });
    shutdown.add('close', 'closes', () => void done.push('closed'));
    await shutdown.run(log, 1000);
    expect(done).toEqual(['closed']);
  });

  test('hurries when it is asked for a second time, and does no step twice', async () => {
    const shutdown = new Shutdown();
    let runs = 0;
    shutdown.add('drain', 'waits', (hurry) => {
      runs += 1;
      return new Promise((resolve) => hurry.addEventListener('abort', () => resolve()));
    });
    const first = shutdown.run(log, 60_000);
    await settle();
    await Promise.all([first, shutdown.run(log, 60_000)]);
    expect(runs).toBe(1);
  });

  test('hurries when its time is up', async () => {
    const shutdown = new Shutdown();
    let wasHurried = false;
    shutdown.add('drain', 'waits', (hurry) => new Promise((resolve) => hurry.addEventListener('abort', () => resolve(void (wasHurried = true)))));
    await shutdown.run(log, 20);
    expect(wasHurried).toBe(true);
  });

  test('that hangs is over five seconds after a second signal', () => {
    jest.useFakeTimers();
    const exit = jest.spyOn(process, 'exit').mockReturnValue(undefined as never);
    const on = jest.spyOn(process, 'on');
    const shutdown = new Shutdown();
    shutdown.add('drain', 'hanging', () => new Promise(() => undefined));
    shutdownOnSignal(shutdown, log, 600_000);
    process.emit('SIGTERM', 'SIGTERM');
    jest.advanceTimersByTime(60_000);
    process.emit('SIGTERM', 'SIGTERM');
    jest.advanceTimersByTime(4999);
    expect(exit).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(exit).toHaveBeenCalledWith(1);
    for (const [signal, listener] of on.mock.calls) process.off(signal, listener);
    jest.restoreAllMocks();
    jest.useRealTimers();
  });
});

describe('readiness', () => {
  test('is the worst of its checks, with every reason', async () => {
    const checks = new ReadinessChecks();
    expect(await checks.read()).toEqual({ status: 'ready' });
    checks.add(() => [{ state: 'ready' }]);
    checks.add(() => Promise.resolve([{ state: 'degraded', missing: 'redis' }, { state: 'degraded', missing: 'kafka' }]));
    checks.add(() => [{ state: 'degraded', missing: 'kafka' }]);
    expect(await checks.read()).toEqual({ status: 'degraded', missing: ['kafka', 'redis'] });
    checks.add(() => [{ state: 'unready', reason: 'database: gone' }]);
    checks.add(() => [{ state: 'unready', reason: 'consumers are not assigned yet' }]);
    expect(await checks.read()).toEqual({ status: 'unready', reasons: ['database: gone', 'consumers are not assigned yet'], missing: ['kafka', 'redis'] });
  });

  test('is over from the moment a drain starts, whatever the checks say', async () => {
    const checks = new ReadinessChecks();
    checks.add(() => [{ state: 'ready' }]);
    checks.drain();
    expect([checks.draining, await checks.read()]).toEqual([true, { status: 'unready', reasons: ['draining'] }]);
  });
});
