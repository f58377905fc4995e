import { Controller, Inject } from '@nestjs/common';
import { Consumes, type Message } from '@nightshift/messaging';
import { UsageStore } from './usage.store.ts';

/** Counts what turns have used and which runs have ended. */
@Controller()
export class UsageConsumer {
  constructor(@Inject(UsageStore) private readonly usage: UsageStore) {}

  @Consumes('usage.recorded')
  recorded(messages: readonly Message<'usage.recorded'>[]): Promise<void> {
    return this.usage.countTurns(messages.map(({ payload }) => payload));
  }

  @Consumes('run.finished')
  finished(messages: readonly Message<'run.finished'>[]): Promise<void> {
    return this.usage.countRuns(messages.map(({ payload }) => payload));
  }
}
