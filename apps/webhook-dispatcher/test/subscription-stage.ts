import { randomBytes } from 'node:crypto';
import type { RunFinished, Subscription } from '@nightshift/contracts';
import { statement } from '@nightshift/postgres';
import { type EndpointRequest, waitFor } from '@nightshift/testing';
import { Webhook } from 'standardwebhooks';
import type { Answer, Dispatcher } from './dispatcher.ts';
import { Stage } from './stage.ts';

/** Where the gateway asks for subscriptions. */
export const PATH = '/internal/webhooks/subscriptions';

/** A secret of the form that rotation gives. */
export const whsec = () => `whsec_${randomBytes(32).toString('base64')}`;

/** A time after all that a test does. */
export const soon = () => new Date(Date.now() + 60_000).toISOString();

/** What runs answers for runs whose announcements carry no body. */
export function bodiesOf(...runs: RunFinished[]): Answer {
  return (path, _, body) => {
    if (!path.endsWith('/finished')) return { body: { events: [], nextCursor: null } };
    const { runIds } = body as { runIds: string[] };
    return { body: { events: runs.filter(({ runId }) => runIds.includes(runId)) } };
  };
}

/** The announcement as it travels of a run without a callback. */
export const bare = (run: RunFinished): RunFinished => ({ ...run, body: undefined });

/** What the Standard Webhooks library makes of a request; throws if it is not signed with the secret. */
export const verified = (secret: string, { body, headers }: EndpointRequest): unknown => new Webhook(secret).verify(body, { ...headers });

/** Changes a subscription. */
export const patch = (dispatcher: Dispatcher, id: string, changes: object, orgId = 'org_1') => dispatcher.call<Subscription>('PATCH', `${PATH}/${id}`, { orgId, egressAllow: [], changes });

/** The stage of tests with subscriptions. */
export class SubscriptionStage extends Stage {
  /** All that is stored of subscriptions, as text. */
  async dump(): Promise<string> {
    return JSON.stringify(await this.db.query(statement('test.dump', 'select s::text, (select json_agg(k::text) from webhooks.idempotency_keys k) as keys from webhooks.subscriptions s')));
  }

  /** Waits for as many requests. */
  arrived(path: string, count = 1): Promise<EndpointRequest[]> {
    return waitFor(() => this.arrivals(path).length === count && this.arrivals(path), { describe: `${count} arrivals at ${path}` });
  }

  /** Makes what waits for its retry due, once no attempt is under way. */
  async retryNow(): Promise<void> {
    await waitFor(async () => (await this.deliveries()).every(({ held, status, attemptCount }) => !held && (status !== 'pending' || attemptCount > 0)));
    await this.db.query(statement('test.due', `update webhooks.deliveries set due_at = now() where status = 'pending'`));
  }
}
