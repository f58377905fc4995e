import { AppError } from '@nightshift/contracts';
import { type Dispatcher, Pool } from 'undici';
import type { InternalTransport, TransportRequest } from './internal.client.ts';

const AWAY = new Set([502, 503, 504]);
const RETRY_FOR_MS = 3000;
const RETRY_EVERY_MS = 100;
/** Reports over many rows take seconds, and a busy service is not one that stands still. */
const SILENCE_MS = 15_000;
/** How long an address that was silent or could not be reached is asked after the others. */
const DOUBTED_MS = 5000;
const NO_CONNECTION = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);
const SILENT = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

interface Address {
  readonly pool: Dispatcher;
  /** 0 while the address is well. */
  doubtedUntil: number;
}

/**
 * HTTP to any of `baseUrls` in turn, the next at once when one is away; a service that is being restarted is tried again for up
 * to 3 s. An address that accepts a request and stays silent is not asked again by this request; the others are, even when it is late.
 */
export function httpTransport(baseUrls: readonly string[]): { transport: InternalTransport; close: () => Promise<void> } {
  const addresses = baseUrls.map((url): Address => ({ pool: new Pool(url, { connections: 64, connect: { timeout: 2000 } }), doubtedUntil: 0 }));
  let next = 0;
  const inTurn = (): Address[] => {
    const first = next++ % addresses.length;
    const now = Date.now();
    const isDoubted = ({ doubtedUntil }: Address): boolean => doubtedUntil > now;
    const turn = [...addresses.slice(first), ...addresses.slice(0, first)];
    return turn.some(isDoubted) ? [...turn.filter((address) => !isDoubted(address)), ...turn.filter(isDoubted)] : turn;
  };
  const transport: InternalTransport = async (request) => {
    const until = Date.now() + RETRY_FOR_MS;
    const silent = new Set<Address>();
    for (let round = 1; ; round += 1) {
      const left = inTurn().filter((address) => !silent.has(address));
      for (const address of left) {
        const isLastOfRound = address === left.at(-1);
        const isLast = (): boolean => (isLastOfRound && (request.once === true || silent.size === addresses.length)) || ((isLastOfRound || round > 1) && Date.now() > until);
        try {
          const answer = await ask(address, request, silent.size === addresses.length - 1);
          if (!AWAY.has(answer.status) || request.unrepeatable || isLast()) return answer;
        } catch (err) {
          if (isSilence(err)) silent.add(address);
          if (isLast() || (request.unrepeatable && !isUnconnected(err))) throw new AppError('service_unavailable', { cause: err, headers: { 'retry-after': '1' } });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_EVERY_MS));
    }
  };
  return { transport, close: async () => void (await Promise.all(addresses.map(({ pool }) => pool.close()))) };
}

/** `isOnly`: there is no other to ask, so it has twice the time. */
async function ask(address: Address, { method, path, headers, body, ...request }: TransportRequest, isOnly: boolean): Promise<{ status: number; body: string }> {
  const silenceMs = request.silenceMs === undefined ? undefined : request.silenceMs * (isOnly ? 2 : 1);
  // One request finds out for all whether the address is well again.
  if (address.doubtedUntil > 0) address.doubtedUntil = Date.now() + (silenceMs ?? SILENCE_MS);
  try {
    // A limit of the request's own counts from here: also the time for which it waits for a connection that others hold.
    const limit = silenceMs === undefined ? { headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS } : { signal: AbortSignal.timeout(silenceMs) };
    const response = await address.pool.request({ method, path, headers, body: body ?? null, ...limit });
    const answer = { status: response.statusCode, body: await response.body.text() };
    address.doubtedUntil = 0;
    return answer;
  } catch (err) {
    if (isSilence(err) || isUnconnected(err) || address.doubtedUntil > 0) address.doubtedUntil = Date.now() + DOUBTED_MS;
    throw err;
  }
}

function isSilence(err: unknown): boolean {
  const { name, code } = err as { name?: unknown; code?: unknown };
  return name === 'TimeoutError' || SILENT.has(String(code));
}

/** True when nothing of the request was sent. */
function isUnconnected(err: unknown): boolean {
  if (err instanceof AggregateError) return err.errors.every(isUnconnected);
  return NO_CONNECTION.has(String((err as { code?: unknown }).code));
}
