export { assertNever } from './assert-never.ts';
export { type Backoff, backoffMs, jitterMs } from './backoff.ts';
export { type IdPrefix, newId } from './id.ts';
export { must } from './must.ts';
