import { AppError } from '@nightshift/contracts';
import { InternalClient, type InternalTransport, injectTransport, type StreamTransport } from '@nightshift/http';
import { type App, APPS, type Logger, type LogOptions, ReadinessChecks, type Shutdown } from '@nightshift/runtime';
import type { Bus } from '@nightshift/messaging';
import { keepTracesTogether, type Service, type Surroundings } from '@nightshift/service';
import { must } from '@nightshift/std';
import type { StandaloneEnvironment } from './config.ts';
import { LinkedHints } from './linked.hints.ts';
import { serveStreams, StreamCaller } from './stream.link.ts';
import type { ThreadLink } from './thread.link.ts';

/** The environment with all its secrets. */
export type CompleteEnvironment = StandaloneEnvironment & Required<Pick<StandaloneEnvironment, 'ADMIN_TOKEN' | 'SEAL_PUBLIC_KEY' | 'SEAL_PRIVATE_KEY' | 'ENCRYPTION_KEY'>>;

/** What both threads are told. */
export interface Facts {
  readonly log: LogOptions;
  readonly environment: CompleteEnvironment;
  readonly databaseUrl: string;
  readonly serviceTokens: Readonly<Record<App, string>>;
}

/** How the services of one thread are built, in this order. */
export type Builders = Partial<Record<App, (environment: CompleteEnvironment, around: Surroundings) => Promise<Service>>>;

/** The services of one thread. */
export interface Composed {
  readonly services: ReadonlyMap<App, Service>;
  readonly readiness: ReadinessChecks;
  readonly around: (app: App) => Surroundings;
}

/** Per service and thread. Few: what waits for one gathers into one statement, and each is a process that competes for the same processors. */
const CONNECTIONS_MAX = 3;

/** What a thread has to build its services with. */
export interface Thread {
  readonly bus: Bus;
  /** To the other thread. */
  readonly link: ThreadLink;
  readonly log: Logger;
  readonly shutdown: Shutdown;
}

const away = (cause: unknown): never => {
  throw new AppError('service_unavailable', { cause, headers: { 'retry-after': '1' } });
};

/** Builds the services of this thread; those that only the other one has are reached over its link. */
export async function compose(builders: Builders, { environment, databaseUrl, serviceTokens }: Facts, { bus, link, log, shutdown }: Thread): Promise<Composed> {
  const hints = new LinkedHints(link);
  keepTracesTogether(hints);
  const readiness = new ReadinessChecks();
  const services = new Map<App, Service>();
  const inject = (app: App): InternalTransport => injectTransport((request) => must(services.get(app), app).app.inject(request));
  link.serve<{ app: App; request: Parameters<InternalTransport>[0] }>('request', ({ app, request }) => inject(app)(request));
  const transport = (app: App): InternalTransport => (builders[app] ? inject(app) : (request) => link.call<{ status: number; body: string }>('request', { app, request }).catch(away));
  const route = (app: App): StreamTransport => ({ path, headers, body }, signal) => must(must(services.get(app), app).streamRoutes.get(path), path)({ body: JSON.parse(body), traceparent: headers['traceparent'] ?? '' }, signal);
  serveStreams(link, (app, request, signal) => route(app as App)(request, signal));
  const caller = new StreamCaller(link);
  const streams = (app: App): StreamTransport => (builders[app] ? route(app) : (request, signal) => caller.call(app, request, signal).catch(away));
  const around = (service: App): Surroundings => ({
    log: log.child({ service }),
    bus,
    hints,
    readiness,
    shutdown,
    databaseUrl,
    connectionsMax: CONNECTIONS_MAX,
    pool: 'shared',
    onePool: 'shared',
    serviceTokens: new Map(APPS.map((app) => [app, serviceTokens[app]])),
    neighbours: [],
    client: (app) => new InternalClient(transport(app), serviceTokens[service], () => services.get(app)?.localRoutes, streams(app)),
  });
  shutdown.add('refuse', 'readiness', () => readiness.drain());
  for (const app of APPS) {
    const service = await builders[app]?.(environment, around(app));
    if (service) services.set(app, service);
  }
  for (const service of services.values()) await service.consume();
  return { services, readiness, around };
}
