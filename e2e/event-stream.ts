import { setTimeout as pause } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';

/** One event of a stream as it was sent. */
export type Sent = { id: string | undefined; event: string | undefined; data: string };

/** A stream as far as it was read. */
export type Stream = {
  readonly headers: Headers;
  readonly status: number;
  /** Events so far. */
  readonly events: Sent[];
  /** Everything so far, as text. */
  readonly raw: () => string;
  /** Resolves at the end of the stream, also when the connection broke. */
  readonly ended: Promise<'ended' | 'broken'>;
  readonly leave: () => void;
};

/** Opens an event stream and goes on reading it. */
export async function openStream(url: string, { key, body, headers = {} }: { key: string; body?: object; headers?: Record<string, string> }): Promise<Stream> {
  const leaving = new AbortController();
  const response = await fetch(url, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
    signal: leaving.signal,
  });
  const events: Sent[] = [];
  let raw = '';
  const parser = createParser({ onEvent: ({ id, event, data }: EventSourceMessage) => void events.push({ id, event, data }) });
  const read = async (): Promise<'ended' | 'broken'> => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        const text = decoder.decode(chunk, { stream: true });
        raw += text;
        parser.feed(text);
      }
      return 'ended';
    } catch {
      return 'broken';
    }
  };
  return { headers: response.headers, status: response.status, events, raw: () => raw, ended: read(), leave: () => leaving.abort() };
}

/**
 * Reads a run's stream to its end over the gateways at these addresses: begins at the one with that index, and comes back
 * over the next, after what it has seen, whenever a connection ends before. Statuses other than 200 are told to `refused`.
 */
export async function followRun(gateways: readonly string[], { key, runId, from = 0, first = 0, refused = () => undefined }: { key: string; runId: string; from?: number; first?: number; refused?: (status: number) => void }): Promise<{ from: number; events: Sent[] }> {
  const events: Sent[] = [];
  for (let attempt = first; events.at(-1)?.data !== '[DONE]'; attempt += 1) {
    const seq = Number(events.at(-1)?.id ?? from);
    try {
      const stream = await openStream(`${gateways[attempt % gateways.length]}/v1/runs/${runId}/stream`, { key, headers: { 'last-event-id': String(seq) } });
      await stream.ended;
      if (stream.status === 200) events.push(...stream.events);
      else refused(stream.status);
    } catch {
      await pause(200);
    }
  }
  return { from, events };
}

/** The document that the text of a stream makes. */
export function documentOf(events: readonly Sent[]): string {
  return events.map(({ event, data }) => (event === undefined && data !== '[DONE]' ? (JSON.parse(data) as { choices: { delta: { content: string } }[] }).choices[0]?.delta.content : '')).join('');
}

/**
 * What is wrong with what several observers of one run were sent: numbers that are not contiguous, the same number with other
 * bytes, or no end. `from` is the number that an observer wanted to go on after.
 */
export function judgeStreams(observed: readonly { from: number; events: readonly Sent[] }[]): string[] {
  const bytes = new Map<string, string>();
  return observed.flatMap(({ from, events }, index) => {
    const problems: string[] = [];
    let seq = from;
    for (const { id, event, data } of events) {
      if (data === '[DONE]') continue;
      if (id === undefined || Number(id) !== seq + 1) problems.push(`observer ${index}: ${id} after ${seq}`);
      seq = Number(id);
      const known = bytes.get(String(id));
      if (known !== undefined && known !== `${event} ${data}`) problems.push(`observer ${index}: ${id} has other bytes`);
      bytes.set(String(id), `${event} ${data}`);
    }
    if (events.at(-1)?.data !== '[DONE]') problems.push(`observer ${index}: no end after ${seq}`);
    return problems;
  });
}
