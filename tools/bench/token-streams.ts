import { wallMs } from '@nightshift/testing';
import { createParser } from 'eventsource-parser';
import { Pool } from 'undici';
import type { Target } from './load-job.ts';

/** What was seen of some streams. */
export type TokenStreams = {
  /** From a token's being sent by the model to its arrival, of all tokens, in milliseconds. */
  readonly delays: readonly number[];
  /** Streams that did not end, or whose tokens or numbers were out of order. */
  readonly broken: number;
};

/** Every token of the model says when it was sent. */
const token = /(\d{13}\.\d\d) /g;

/** So many runs at once, each of so many tokens, 50 a second, read as they come. */
export async function readTokenStreams(target: Target, streams: number, tokens: number): Promise<TokenStreams> {
  const pool = new Pool(target.url, { connections: streams });
  const all = await Promise.all(Array.from({ length: streams }, (_, index) => readOne(pool, target, tokens, (index * 20) / streams)));
  await pool.destroy();
  return { delays: all.flatMap(({ delays }) => delays), broken: all.filter(({ isBroken }) => isBroken).length };
}

async function readOne(pool: Pool, target: Target, tokens: number, afterMs: number): Promise<{ delays: number[]; isBroken: boolean }> {
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const delays: number[] = [];
  let lastSent = 0;
  let lastSeq = 0;
  let isInOrder = true;
  let isDone = false;
  const parser = createParser({
    onEvent({ id, event, data }) {
      if (data === '[DONE]') isDone = true;
      if (id !== undefined) isInOrder &&= Number(id) === ++lastSeq;
      if (event !== undefined || isDone) return;
      for (const [, sent] of (JSON.parse(data) as { content: string }).content.matchAll(token)) {
        isInOrder &&= Number(sent) >= lastSent;
        lastSent = Number(sent);
        delays.push(wallMs() - lastSent);
      }
    },
  });
  const body = JSON.stringify({ engine: 'tim-gpt', input: { instructions: `Speak. [[pace:20 clock:${tokens}]]` } });
  const { body: stream } = await pool.request({ method: 'POST', path: '/v1/runs/stream', headers: { authorization: `Bearer ${target.apiKey}`, 'content-type': 'application/json' }, body });
  stream.setEncoding('utf8');
  for await (const text of stream) parser.feed(text as string);
  return { delays, isBroken: !isInOrder || !isDone || delays.length !== tokens };
}

/** Attaches so many observers to one run that goes on, and nothing is said; returns how to let them go. */
export async function observe(target: Target, observers: number): Promise<() => Promise<void>> {
  const headers = { authorization: `Bearer ${target.apiKey}` };
  const posted = await fetch(`${target.url}/v1/runs`, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ engine: 'tim-gpt', input: { instructions: 'Wait. [[hang:9]]' } }) });
  const { runId } = (await posted.json()) as { runId: string };
  const pool = new Pool(target.url, { connections: observers });
  await Promise.all(
    Array.from({ length: observers }, async () => {
      const { body } = await pool.request({ method: 'GET', path: `/v1/runs/${runId}/stream`, headers });
      body.on('error', () => undefined).resume();
    }),
  );
  return async () => {
    await pool.destroy();
    await fetch(`${target.url}/v1/runs/${runId}/cancel`, { method: 'POST', headers });
  };
}
