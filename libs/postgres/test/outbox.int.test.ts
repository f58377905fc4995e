import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { OutgoingEvent } from '@nightshift/contracts';
import { connect, type Database, outboxCte, outboxEvent, outboxJson, Relay, statement } from '@nightshift/postgres';
import { type TestDatabase, testDatabase, waitFor } from '@nightshift/testing';
import pg from 'pg';

const TABLES = `create schema app;
  create table app.outbox (id text primary key, topic text not null, pool text not null, key text not null, payload json not null, traceparent text,
    created_at timestamptz not null default now(), claimed_until timestamptz);
  create table app.thing (id text primary key)`;

let database: TestDatabase;
let db: Database;
let published: string[];
let trouble: unknown[];
let relays: Relay[];

beforeAll(async () => {
  database = await testDatabase({
    template: `outbox ${TABLES}`,
    migrate: async (url) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(TABLES);
      await client.end();
    },
  });
  db = connect({ url: database.url, max: 4, name: 'test', onError: (err) => console.error(err) });
});
beforeEach(() => {
  published = [];
  trouble = [];
  relays = [];
});
afterEach(async () => {
  await Promise.all(relays.map((relay) => relay.stop()));
  await db.query(statement('clear', 'truncate app.outbox, app.thing'));
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

type Published = Omit<OutgoingEvent, 'ref'>;
const relayOf = (publish: (event: Published) => Promise<void> = async (event) => void published.push(event.id), giveUp: (event: Published, err: unknown) => Promise<boolean> = () => Promise.resolve(false)): Relay => {
  const relay = new Relay({ db, schema: 'app', publish, onTrouble: (err) => trouble.push(err), giveUp });
  relays.push(relay);
  return relay;
};
const event = (ref: string): OutgoingEvent => outboxEvent({ ref, topic: 'run.finished', pool: 'shared', key: ref, payload: { runId: ref }, traceparent: undefined });
const patientEvent = (ref: string): OutgoingEvent => ({ ...event(ref), canWait: true });
const WRITE = statement('write', `with written as (insert into app.thing select unnest($1::text[]) on conflict do nothing returning id as ref), ${outboxCte('app', '$2', 'written')} select ref from written`);
const write = (events: readonly OutgoingEvent[]) => db.query<{ ref: string }>(WRITE, [events.map(({ ref }) => ref), outboxJson(events)]);
const waiting = async () => (await db.query<{ id: string }>(statement('ids', 'select id from app.outbox order by id'))).map((row) => row.id);
const age = () => db.query(statement('age', "update app.outbox set created_at = now() - interval '1 minute'"));

describe('an outbox', () => {
  test('keeps an event only if the row that it belongs to was written', async () => {
    const first = event('a');
    await write([first]);
    await write([event('a'), event('b')].map((one) => ({ ...one, traceparent: '00-trace' })));
    const rows = await db.query(statement('rows', 'select key, traceparent, payload from app.outbox order by key'));
    expect(rows).toEqual([{ key: 'a', traceparent: null, payload: { runId: 'a' } }, { key: 'b', traceparent: '00-trace', payload: { runId: 'b' } }]);
  });

  test('is empty again when the events that a commit handed over are published', async () => {
    const events = ['a', 'b', 'c'].map(event);
    await write(events);
    relayOf().hand(events);
    await waitFor(async () => (await waiting()).length === 0);
    expect(published.toSorted()).toEqual(events.map(({ id }) => id).toSorted());
  });

  test('publishes what can wait with the next event that cannot', () => {
    const [patient, urgent] = [patientEvent('a'), event('b')];
    const relay = relayOf();
    for (const one of [patient, urgent]) relay.hand([one]);
    expect(published).toEqual([patient.id, urgent.id]);
  });

  test('publishes what can wait when it stops', async () => {
    const [relay, patient] = [relayOf(), patientEvent('a')];
    relay.hand([patient]);
    await relay.stop();
    expect(published).toEqual([patient.id]);
  });

  test('publishes what can wait after a moment, all of it at once', async () => {
    const events = ['a', 'b'].map(patientEvent);
    const relay = relayOf();
    for (const one of events) relay.hand([one]);
    await waitFor(() => published.length > 0);
    expect(published).toEqual(events.map(({ id }) => id));
  });

  test('keeps an event until the bus has taken it', async () => {
    const [one] = [event('a')];
    await write([one]);
    let take: () => void = () => undefined;
    const relay = relayOf(() => new Promise((resolve) => (take = resolve)));
    relay.hand([one]);
    await age();
    await relay.sweep();
    expect(await waiting()).toEqual([one.id]);
    take();
    await waitFor(async () => (await waiting()).length === 0);
  });

  test('takes only so many events into memory; the rest waits to be swept up', async () => {
    const events = Array.from({ length: 5001 }, (_, index) => event(`e${index}`));
    await write(events);
    const held: (() => void)[] = [];
    let isSlow = true;
    const relay = relayOf(({ id }) => {
      published.push(id);
      return isSlow ? new Promise((resolve) => held.push(resolve)) : Promise.resolve();
    });
    relay.hand(events);
    expect(published).toHaveLength(5000);
    isSlow = false;
    for (const release of held) release();
    await waitFor(async () => (await waiting()).length === 1);
    await age();
    await relay.sweep();
    expect(await waiting()).toEqual([]);
    expect(published.at(-1)).toBe(events.at(-1)!.id);
  });

  test('still holds an event that the bus refused, and says what was wrong', async () => {
    const one = event('a');
    await write([one]);
    const relay = relayOf(() => Promise.reject(new Error('no broker')));
    relay.hand([one]);
    await relay.stop();
    expect(await waiting()).toEqual([one.id]);
    expect(trouble).toEqual([new Error('no broker')]);
  });
});

describe('an event that the bus will never take', () => {
  const tooLarge = new Error('too large');

  test('leaves the outbox when it is kept somewhere else, and hurts no other', async () => {
    const [large, small] = [event('large'), event('small')];
    await write([large, small]);
    const kept: unknown[] = [];
    const publish = async (one: Published): Promise<void> => {
      if (one.key === 'large') throw tooLarge;
      published.push(one.id);
    };
    const relay = relayOf(publish, async (one, err) => kept.push([one.id, err]) > 0);
    relay.hand([large, small]);
    await waitFor(async () => (await waiting()).length === 0);
    expect([kept, published, trouble]).toEqual([[[large.id, tooLarge]], [small.id], []]);
  });

  test('stays when it could not be kept', async () => {
    const large = event('large');
    await write([large]);
    const away = new Error('no database');
    const relay = relayOf(() => Promise.reject(tooLarge), () => Promise.reject(away));
    relay.hand([large]);
    await relay.stop();
    expect([await waiting(), trouble]).toEqual([[large.id], [away]]);
  });
});

describe('a sweep', () => {
  test('publishes what a process that died has left, as it was written', async () => {
    const left = { ...event('a'), traceparent: '00-trace' };
    await write([left]);
    await age();
    const seen: Published[] = [];
    await relayOf(async (one) => void seen.push(one)).sweep();
    const { ref: _, ...whole } = left;
    expect(seen).toEqual([whole]);
    expect(await waiting()).toEqual([]);
  });

  test('leaves fresh events to the process that wrote them', async () => {
    await write([event('a')]);
    await relayOf().sweep();
    expect(published).toEqual([]);
    expect(await waiting()).toHaveLength(1);
  });

  test('empties a long outbox', async () => {
    const events = Array.from({ length: 1203 }, (_, index) => event(`k${index}`));
    await write(events);
    await age();
    await relayOf().sweep();
    expect(new Set(published)).toEqual(new Set(events.map(({ id }) => id)));
    expect(await waiting()).toEqual([]);
  });

  test('shares the work with other relays: each event is published by one of them', async () => {
    const events = Array.from({ length: 700 }, (_, index) => event(`k${index}`));
    await write(events);
    await age();
    await Promise.all([relayOf(), relayOf(), relayOf()].map((relay) => relay.sweep()));
    expect(published.toSorted()).toEqual(events.map(({ id }) => id).toSorted());
  });

  test('begins at the start and goes on', async () => {
    await write([event('a')]);
    await age();
    relayOf().start();
    await waitFor(() => published.length === 1);
    const later = event('b');
    await write([later]);
    await age();
    await waitFor(() => published.length === 2);
    expect(published[1]).toBe(later.id);
  });

  test('publishes an event soon after the bus is back', async () => {
    await write([event('a')]);
    await age();
    let isUp = false;
    const relay = relayOf(async (one) => {
      if (!isUp) throw new Error('no broker');
      published.push(one.id);
    });
    relay.start();
    await waitFor(() => trouble.length > 0);
    isUp = true;
    await waitFor(async () => (await waiting()).length === 0, { timeoutMs: 5000 });
    expect(published).toHaveLength(1);
  });

  test('comes to an event behind any number that the bus refuses, and to those again', async () => {
    const refused = Array.from({ length: 501 }, (_, index) => event(`refused${index}`));
    await write(refused);
    const good = event('good');
    await write([good]);
    await age();
    let isRefusing = true;
    const relay = relayOf(async (one) => {
      if (isRefusing && one.key !== 'good') throw new Error('no such topic');
      published.push(one.id);
    });
    await relay.sweep();
    await relay.sweep();
    expect(published).toEqual([good.id]);
    isRefusing = false;
    await relay.sweep();
    expect(await waiting()).toEqual([]);
  });

  test('goes on behind a batch of which the bus refuses a part', async () => {
    const events = Array.from({ length: 1200 }, (_, index) => event(index % 2 === 0 ? `refused${index}` : `good${index}`));
    await write(events);
    await age();
    await relayOf(async (one) => {
      if (one.key.startsWith('refused')) throw new Error('no such topic');
      published.push(one.id);
    }).sweep();
    expect(published).toHaveLength(600);
  });

  test('does not offer the whole outbox to a bus that takes nothing', async () => {
    await write(Array.from({ length: 1200 }, (_, index) => event(`k${index}`)));
    await age();
    await relayOf(() => Promise.reject(new Error('no broker'))).sweep();
    expect(trouble).toHaveLength(500);
  });

  test('leaves an event that is on its way, and takes it soon when it did not arrive', async () => {
    const one = event('a');
    await write([one]);
    await age();
    let refuse: (err: Error) => void = () => undefined;
    let tries = 0;
    const relay = relayOf((sent) => {
      tries += 1;
      published.push(sent.id);
      return tries === 1 ? new Promise((_, reject) => (refuse = reject)) : Promise.resolve();
    });
    relay.hand([one]);
    await relay.sweep();
    expect(published).toHaveLength(1);
    refuse(new Error('no broker'));
    await waitFor(() => trouble.length === 1);
    await relay.sweep();
    expect([published, await waiting()]).toEqual([[one.id, one.id], []]);
  });

  test('has nothing in flight any more once it is stopped', async () => {
    const one = event('a');
    await write([one]);
    let ended = false;
    const relay = relayOf(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      ended = true;
    });
    relay.hand([one]);
    await relay.stop();
    expect([ended, await waiting()]).toEqual([true, []]);
  });
});
