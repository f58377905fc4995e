/** Fields of a log line that hold ids, numbers and names of ours. Whatever else a line has may come from users, and stays behind. */
const KEPT = new Set(
  `level time service msg errorCode traceId requestId method route status responseStatus durationMs queueAgeMs attempt step work id
  runId orgId callId deliveryId subscriptionId topic eventId group topics partitions migrations pool phase signal again host port metricsPort
  reason inputTokens outputTokens cachedInputTokens`.split(/\s+/),
);
const FRAMES_MAX = 12;

/** A log as far as it may be told: known fields, and of errors their type, code and stack without the message. Lines that are no JSON are only counted. */
export function tellableLog(text: string, linesMax: number): string {
  const lines = text.split('\n').filter((line) => line !== '').slice(-linesMax);
  const told = lines.map(tellableLine);
  const left = told.filter((line) => line === undefined).length;
  const kept = told.filter((line) => line !== undefined);
  return [...kept, ...(left > 0 ? [JSON.stringify({ leftOut: left, because: 'no JSON' })] : []), ''].join('\n');
}

function tellableLine(line: string): string | undefined {
  const parsed = objectOf(line);
  if (parsed === undefined) return undefined;
  const kept = Object.fromEntries(Object.entries(parsed).filter(([name]) => KEPT.has(name)));
  return JSON.stringify({ ...kept, ...('err' in parsed && { err: errorOf(parsed['err']) }) });
}

function errorOf(err: unknown): object {
  const { type, code, stack } = (typeof err === 'object' && err !== null ? err : {}) as Record<string, unknown>;
  const frames = typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at .*[:)]/.test(line)).slice(0, FRAMES_MAX).map((line) => line.trim()) : [];
  return { type: text(type), code: text(code), frames };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w$.-]{1,64}$/.test(value) ? value : undefined;
}

function objectOf(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}

/** The kind of a dead letter's error, without its message, which may quote what the message carried. */
export function errorKind(error: string): string {
  const ours = /^(no such topic|not JSON|does not fit the schema of [\w.]+|larger than the brokers take)/.exec(error)?.[1];
  return ours ?? /^([A-Z][\w$]{2,63})(?=[:\n]|$)/.exec(error)?.[1] ?? 'other';
}
