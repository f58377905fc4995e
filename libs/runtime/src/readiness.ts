import type { Readiness } from '@nightshift/contracts';

/** `unready`: requests cannot be answered. `degraded`: they can, and work is late. */
export type CheckResult = { state: 'ready' } | { state: 'degraded'; missing: string } | { state: 'unready'; reason: string };

/** The checks behind GET /ready of one service. */
export class ReadinessChecks {
  readonly #checks: (() => Promise<CheckResult[]> | CheckResult[])[] = [];
  #draining = false;

  add(check: () => Promise<CheckResult[]> | CheckResult[]): void {
    this.#checks.push(check);
  }

  /** From now on the service is not ready. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** What every check says. */
  async results(): Promise<CheckResult[]> {
    return (await Promise.all(this.#checks.map((check) => check()))).flat();
  }

  async read(): Promise<Readiness> {
    if (this.#draining) return { status: 'unready', reasons: ['draining'] };
    const results = await this.results();
    const reasons = [...new Set(results.flatMap((result) => (result.state === 'unready' ? [result.reason] : [])))];
    const missing = [...new Set(results.flatMap((result) => (result.state === 'degraded' ? [result.missing] : [])))].sort();
    if (reasons.length > 0) return { status: 'unready', reasons, ...(missing.length > 0 && { missing }) };
    return missing.length > 0 ? { status: 'degraded', missing } : { status: 'ready' };
  }
}
