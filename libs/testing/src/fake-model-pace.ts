import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { FakeScript, FakeTurn } from './fake-model-script.ts';
import { wallMs } from './wall-ms.ts';

/** The deltas of a reply that is sent piece by piece: reasoning, text, then the arguments of each call. */
export function* paced({ think, clock }: FakeScript, { text, calls }: FakeTurn): Generator<string> {
  for (const piece of piecesOf(think)) yield JSON.stringify({ reasoning_content: piece });
  if (clock > 0 && calls.length === 0) {
    for (let at = 0; at < clock; at += 1) yield JSON.stringify({ content: `${wallMs().toFixed(2)} ` });
    return;
  }
  for (const piece of piecesOf(text)) yield JSON.stringify({ content: piece });
  for (const [index, { id, name, arguments: given }] of calls.entries()) {
    yield JSON.stringify({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] });
    for (const piece of piecesOf(given)) yield JSON.stringify({ tool_calls: [{ index, function: { arguments: piece } }] });
  }
}

/** Sends deltas `paceMs` apart, on time by the clock; stops when the client has left. */
export async function sendPaced(res: ServerResponse, deltas: Iterable<string>, paceMs: number, chunkOf: (delta: string) => string): Promise<void> {
  const begin = performance.now();
  let count = 0;
  for (const delta of deltas) {
    if (res.destroyed) return;
    res.write(chunkOf(delta));
    count += 1;
    const waitMs = begin + count * paceMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
  }
}

/** About four characters each, as tokens have. */
function piecesOf(text: string): string[] {
  return text.match(/[\s\S]{1,4}/gu) ?? [];
}
