import { Body, Controller, Get, Inject, Post, Query, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { AppError, DeadLetterCommand, DeadLetterCount, DeadLetterList, InternalRedriven, ListDeadLetters } from '@nightshift/contracts';
import { type InternalClient } from '@nightshift/http';
import { AdminGuard } from './admin.guard.ts';
import { Answers } from './answers.decorator.ts';
import { PoolClients } from './pool.client.ts';
import type { PoolApp } from './pools.client.ts';

/** The injection token of the clients of the services that consume, by name. */
export const CONSUMER_CLIENTS = Symbol('clients of the consuming services');

/** Dead letters of every service, for the operator. */
@ApiExcludeController()
@UseGuards(AdminGuard)
@Controller('admin/v1/dead-letters')
export class DeadLettersController {
  constructor(
    @Inject(CONSUMER_CLIENTS) private readonly clients: ReadonlyMap<string, InternalClient>,
    @Inject(PoolClients) private readonly pools: PoolClients,
  ) {}

  /** The services' lists one after the other; the cursor names the service to go on with. */
  @Get()
  @Answers(200, DeadLetterList)
  async list(@Query({ schema: ListDeadLetters }) { service, topic, cursor }: ListDeadLetters): Promise<DeadLetterList> {
    const names = this.#services(service);
    const [from, within] = cursor === undefined ? [names[0], undefined] : (cursor.split('|') as [string, string | undefined]);
    const name = names.find((candidate) => candidate === from);
    if (name === undefined) throw new AppError('invalid_request', { message: 'cursor: is not one that this server gave' });
    const query = new URLSearchParams({ ...(topic !== undefined && { topic }), ...(within && { cursor: within }) });
    const page = await this.#client(name).call({ method: 'GET', path: `/internal/dead-letters?${query.toString()}` }, DeadLetterList);
    if (page.nextCursor !== null) return { ...page, nextCursor: `${name}|${page.nextCursor}` };
    const next = names[names.indexOf(name) + 1];
    if (next === undefined) return page;
    const rest = await this.list({ service, topic, cursor: `${next}|` });
    return { deadLetters: [...page.deadLetters, ...rest.deadLetters], nextCursor: rest.nextCursor };
  }

  @Post('redrive')
  @Answers(200, DeadLetterCount)
  redrive(@Body({ schema: DeadLetterCommand }) command: DeadLetterCommand): Promise<DeadLetterCount> {
    return this.#everywhere(command, (name) => this.#redrive(name, command));
  }

  @Post('drop')
  @Answers(200, DeadLetterCount)
  drop(@Body({ schema: DeadLetterCommand }) command: DeadLetterCommand): Promise<DeadLetterCount> {
    return this.#everywhere(command, (name) => this.#client(name).call({ method: 'POST', path: '/internal/dead-letters/drop', body: command }, DeadLetterCount));
  }

  async #everywhere({ filter }: DeadLetterCommand, act: (name: string) => Promise<DeadLetterCount>): Promise<DeadLetterCount> {
    return sumOf(await Promise.all(this.#services(filter.service).map(act)));
  }

  /** What a dedicated pool could not handle is handled again by its own processes, or stays while there are none. */
  async #redrive(name: string, command: DeadLetterCommand): Promise<DeadLetterCount> {
    let here: DeadLetterCount = NONE;
    const elsewhere = new Map<string, number>();
    for await (const slice of redriven(this.#client(name), command)) {
      here = sumOf([here, slice]);
      for (const [pool, count] of Object.entries(slice.elsewhere ?? {})) elsewhere.set(pool, (elsewhere.get(pool) ?? 0) + count);
    }
    const there = [...elsewhere].map(async ([pool, letters]): Promise<DeadLetterCount> => {
      let own: DeadLetterCount = NONE;
      try {
        for await (const slice of redriven(this.pools.workerOf(name as PoolApp, pool), command)) own = sumOf([own, slice]);
        return own;
      } catch (err) {
        if (err instanceof AppError && err.code === 'service_unavailable') return { count: own.count, failed: Math.max(0, letters - own.count) };
        throw err;
      }
    });
    return sumOf([here, ...(await Promise.all(there))]);
  }

  #services(service: string | undefined): string[] {
    const names = [...this.clients.keys()];
    if (service === undefined) return names;
    if (!names.includes(service)) throw new AppError('invalid_request', { message: `service: must be one of ${names.join(', ')}` });
    return [service];
  }

  #client(name: string): InternalClient {
    const client = this.clients.get(name);
    if (!client) throw new AppError('not_found');
    return client;
  }
}

const NONE: DeadLetterCount = { count: 0, failed: 0 };

/** A service redrives as many as it can in one request, and says where to go on. */
async function* redriven(client: InternalClient, command: DeadLetterCommand): AsyncGenerator<InternalRedriven> {
  let after: string | undefined;
  do {
    const slice: InternalRedriven = await client.call({ method: 'POST', path: '/internal/dead-letters/redrive', body: { ...command, after } }, InternalRedriven);
    yield slice;
    after = slice.next;
  } while (after !== undefined);
}

function sumOf(counts: readonly DeadLetterCount[]): DeadLetterCount {
  return counts.reduce((sum, { count, failed }) => ({ count: sum.count + count, failed: sum.failed + failed }), NONE);
}
