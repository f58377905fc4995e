export { type Hints, workChannel } from './hints.ts';
export { InProcessHints } from './in-process.hints.ts';
export { RedisHints } from './redis.hints.ts';
