import { Body, Controller, Get, Inject, Post, Query } from '@nestjs/common';
import { DeadLetterCommand, DeadLetterCount, DeadLetterList, InternalRedrive, InternalRedriven, ListDeadLetters } from '@nightshift/contracts';
import { Returns } from '@nightshift/http';
import { BusStrategy } from './bus.strategy.ts';
import { DeadLetterStore } from './dead-letter.store.ts';

/** Of one request, which whoever asks does not wait for much longer. */
const LETTERS_MAX = 500;
const REDRIVE_MS = 8000;

/** The dead letters of one service, for the operator's API of the gateway. */
@Controller('internal/dead-letters')
export class DeadLettersController {
  constructor(
    @Inject(DeadLetterStore) private readonly store: DeadLetterStore,
    @Inject(BusStrategy) private readonly strategy: BusStrategy,
  ) {}

  @Get()
  @Returns(200, DeadLetterList)
  list(@Query({ schema: ListDeadLetters }) query: ListDeadLetters): Promise<DeadLetterList> {
    return this.store.list(query);
  }

  @Post('drop')
  @Returns(200, DeadLetterCount)
  async drop(@Body({ schema: DeadLetterCommand }) { filter, dryRun }: DeadLetterCommand): Promise<DeadLetterCount> {
    return { count: dryRun ? await this.store.count(filter) : await this.store.drop(filter), failed: 0 };
  }

  @Post('redrive')
  @Returns(200, InternalRedriven)
  async redrive(@Body({ schema: InternalRedrive }) { filter, dryRun, after }: InternalRedrive): Promise<InternalRedriven> {
    return dryRun ? { count: await this.store.count(filter), failed: 0 } : this.#redriveSome(filter, after ?? '');
  }

  async #redriveSome(filter: DeadLetterCommand['filter'], from: string): Promise<InternalRedriven> {
    const result = { count: 0, failed: 0 };
    const elsewhere: Record<string, number> = {};
    const until = Date.now() + REDRIVE_MS;
    let after = from;
    for (let handled = 0; ; ) {
      const letters = await this.store.matching(filter, after);
      if (letters.length === 0) return { ...result, ...(Object.keys(elsewhere).length > 0 && { elsewhere }) };
      for (const { id, message } of letters) {
        if (handled >= LETTERS_MAX || (handled > 0 && Date.now() > until)) return { ...result, elsewhere, next: after };
        after = id;
        handled += 1;
        const pool = this.strategy.elsewhere(message.topic);
        if (pool !== undefined) {
          elsewhere[pool] = (elsewhere[pool] ?? 0) + 1;
          continue;
        }
        try {
          await this.strategy.redrive(message);
          await this.store.drop({ ids: [id] });
          result.count += 1;
        } catch (err) {
          await this.store.add({ message, error: err instanceof Error ? err.message : String(err), attempts: 1 });
          result.failed += 1;
        }
      }
    }
  }
}
