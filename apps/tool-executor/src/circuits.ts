import { backoffMs } from '@nightshift/std';

interface Circuit {
  /** Failures to connect, one after the other. */
  failures: number;
  /** How often calls have been held off. */
  pauses: number;
  /** Calls are held off until then; 0 before the first pause. */
  openUntilMs: number;
  /** One call is finding out whether the pause was long enough. */
  probing: boolean;
}

const FAILURES_MAX = 5;
const PAUSE = { firstMs: 5000, maxMs: 60_000 };
/** What a call is told that comes while another one finds out. */
const PROBE_MS = 1000;
const HOSTS_MAX = 10_000;

/**
 * Hosts that cannot be connected to: after five failures in a row their calls are held off for 5 s, then for twice as long
 * each time up to a minute. After each pause one call finds out whether the host is back. Times are any clock's milliseconds.
 */
export class Circuits {
  readonly #circuits = new Map<string, Circuit>();

  /** How long the host's calls are held off yet; 0: this one may be made, and then `connected`, `failed` or `gaveUp` says how it went. */
  heldOffMs(host: string, nowMs: number): number {
    const circuit = this.#circuits.get(host);
    if (!circuit || circuit.pauses === 0) return 0;
    if (circuit.openUntilMs > nowMs) return circuit.openUntilMs - nowMs;
    if (circuit.probing) return PROBE_MS;
    circuit.probing = true;
    return 0;
  }

  /** The host can be connected to. */
  connected(host: string): void {
    this.#circuits.delete(host);
  }

  /** The host could not be connected to. */
  failed(host: string, nowMs: number): void {
    const circuit = this.#circuits.get(host) ?? { failures: 0, pauses: 0, openUntilMs: 0, probing: false };
    this.#circuits.delete(host);
    this.#circuits.set(host, circuit);
    for (const oldest of this.#circuits.keys()) {
      if (this.#circuits.size <= HOSTS_MAX) break;
      this.#circuits.delete(oldest);
    }
    circuit.failures += 1;
    // Calls that were under way when the pause began do not make it longer.
    if (circuit.failures < FAILURES_MAX || circuit.openUntilMs > nowMs) return;
    circuit.pauses += 1;
    circuit.openUntilMs = nowMs + backoffMs(PAUSE, circuit.pauses, 0.5);
    circuit.probing = false;
  }

  /** The call ended without telling anything of the host. */
  gaveUp(host: string): void {
    const circuit = this.#circuits.get(host);
    if (circuit) circuit.probing = false;
  }

  /** Failures to connect to a host, one after the other. */
  failures(host: string): number {
    return this.#circuits.get(host)?.failures ?? 0;
  }
}
