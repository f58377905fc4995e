import { Frame } from '@nightshift/contracts';
import { z } from 'zod';

/** Channel on which whoever shows runs says which ones somebody watches, again and again while that lasts. */
export const WATCHED_CHANNEL = 'nightshift.watched';

/** How often that is said, and for how long it holds. */
export const WATCHED_EVERY_MS = 1000;
export const WATCHED_FOR_MS = 3500;

/** Channel of a run's new frames. */
export function framesChannel(runId: string): string {
  return `nightshift.frames.${runId}`;
}

const Frames = z.array(Frame);

/** Frames as they travel on that channel. */
export function encodeFrames(frames: readonly Frame[]): string {
  return JSON.stringify(frames);
}

/** Frames that arrived; none when they are of another version, whatever that sends. */
export function decodeFrames(text: string): Frame[] {
  try {
    return Frames.safeParse(JSON.parse(text)).data ?? [];
  } catch {
    return [];
  }
}

/** Watched runs as they travel. */
export function encodeWatched(runIds: readonly string[]): string {
  return runIds.join(' ');
}
