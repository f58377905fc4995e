import { randomHex } from '@nightshift/std';

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A caller's W3C trace context; undefined for none, and for one that is not valid. */
export function validTraceparent(header: string | undefined): string | undefined {
  return header !== undefined && TRACEPARENT.test(header) ? header : undefined;
}

/** The caller's W3C trace context when it is a valid one, or a new one that asks to be sampled. */
export function traceparentFrom(header: string | undefined): string {
  return validTraceparent(header) ?? `00-${randomHex(16)}-${randomHex(8)}-01`;
}

/** The trace's id within a traceparent. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/** What a traceparent consists of. */
export function partsOf(traceparent: string): { traceId: string; spanId: string; traceFlags: number } {
  return { traceId: traceIdOf(traceparent), spanId: traceparent.slice(36, 52), traceFlags: Number.parseInt(traceparent.slice(53), 16) };
}
