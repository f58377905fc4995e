import type { Hints } from './hints.ts';

const CHANNEL = 'nightshift.run.ended';
/** One message names so many runs at most. */
const IDS_MAX = 500;

/** Tells of runs that have ended: those of one moment in one message, so that a run nobody waits for costs next to nothing. */
export function announceEnds(hints: Pick<Hints, 'send'>): (runId: string) => void {
  const ended: string[] = [];
  const send = (): void => {
    for (const ids = ended.splice(0); ids.length > 0; ) hints.send(CHANNEL, ids.splice(0, IDS_MAX).join(' '));
  };
  return (runId) => {
    ended.push(runId);
    if (ended.length === 1) setImmediate(send);
  };
}

/** Hears of runs that have ended, anywhere; some may be missed. */
export function hearEnds(hints: Pick<Hints, 'listen'>, ended: (runIds: readonly string[]) => void): void {
  hints.listen(CHANNEL, (text) => ended(text.split(' ')));
}
