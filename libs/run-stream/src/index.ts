export { decodeFrames, encodeFrames, encodeWatched, framesChannel, WATCHED_CHANNEL, WATCHED_EVERY_MS } from './frame-channel.ts';
export { type Hints, workChannel } from './hints.ts';
export { InProcessHints } from './in-process.hints.ts';
export { RedisHints } from './redis.hints.ts';
export { announceEnds, hearEnds } from './run-ends.ts';
export { WatchedRuns } from './watched-runs.ts';
