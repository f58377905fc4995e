import { setTimeout as sleep } from 'node:timers/promises';
import { type Egress, EgressError, type EgressRequest, type EgressResponse } from '@nightshift/http';
import { metrics } from '@nightshift/runtime';
import { retryAfterMs } from '@nightshift/std';
import { retryDelayMs } from './call-retry.ts';
import { Circuits } from './circuits.ts';

/** The request of one call. */
export interface OutboundCall {
  /** Whom its host is remembered for: one organisation's failures hold off no other's calls. */
  readonly lane: string;
  readonly retry: 'safe' | 'never';
  /** For all tries together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The request of a try, counted from 1. */
  readonly requestOf: (tries: number) => Omit<EgressRequest, 'timeoutMs' | 'signal'>;
}

/** What came of it: a reply, whatever its status, or why there is none, with a text for the model. */
export type Sent = { readonly reply: EgressResponse; readonly error?: undefined } | { readonly reply?: undefined; readonly error: { readonly code: string; readonly message: string } };

type Tried = { readonly reply: EgressResponse; readonly failure?: undefined } | { readonly reply?: undefined; readonly failure: EgressError };

/** Sends calls to their hosts: again where that is safe, and not at all to a host that cannot be connected to. */
export class Outbound {
  readonly #egress: Egress;
  readonly #circuits = new Circuits();
  readonly #nowMs: () => number;
  readonly #pool: string;

  constructor(egress: Egress, nowMs: () => number = () => performance.now(), pool: string = 'shared') {
    this.#egress = egress;
    this.#nowMs = nowMs;
    this.#pool = pool;
  }

  /** Rejects with EgressError `aborted` if `signal` fires or the egress is closed, with nothing else. */
  async send(call: OutboundCall): Promise<Sent> {
    const until = performance.now() + call.timeoutMs;
    let sent: Sent | undefined;
    for (let tries = 1; ; tries += 1) {
      const heldOffMs = this.#circuits.heldOffMs(call.lane, this.#nowMs());
      if (heldOffMs > 0) return sent ?? this.#heldOff(call, heldOffMs);
      const tried = await this.#try(call, tries, until - performance.now());
      sent = tried.failure ? { error: { code: tried.failure.code, message: tried.failure.message } } : tried;
      const end = { status: tried.reply?.status ?? null, isUnsent: tried.failure?.isUnsent ?? false, retryAfterMs: retryAfterMs([tried.reply?.headers['retry-after'] ?? []].flat()[0], Date.now()) };
      const delayMs = retryDelayMs(end, tries, { retry: call.retry, leftMs: until - performance.now() });
      if (delayMs === null) return sent;
      metrics.retries.inc({ work: 'tool_call', pool: this.#pool });
      await sleep(delayMs, undefined, call.signal && { signal: call.signal }).catch((cause: unknown) => Promise.reject(new EgressError('aborted', 'the call was canceled', { cause })));
    }
  }

  async #try(call: OutboundCall, tries: number, timeoutMs: number): Promise<Tried> {
    const { lane, signal } = call;
    try {
      const reply = await this.#egress.request({ ...call.requestOf(tries), timeoutMs: Math.max(1, Math.ceil(timeoutMs)), ...(signal && { signal }) });
      this.#circuits.connected(lane);
      return { reply };
    } catch (err) {
      if (err instanceof EgressError && err.isUnsent) this.#circuits.failed(lane, this.#nowMs());
      else this.#circuits.gaveUp(lane);
      if (!(err instanceof EgressError) || err.code === 'aborted') throw err;
      return { failure: err };
    }
  }

  #heldOff({ lane, requestOf }: OutboundCall, heldOffMs: number): Sent {
    const host = URL.parse(requestOf(1).url)?.host ?? 'the host';
    const message = `${host} could not be connected to ${this.#circuits.failures(lane)} times in a row, so this call was not made; calls of this host are made again in ${Math.ceil(heldOffMs / 1000)} s`;
    return { error: { code: 'host_unreachable', message } };
  }
}
