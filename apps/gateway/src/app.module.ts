import { type DynamicModule, Module } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { servedCatalogue } from '@nightshift/contracts';
import { HealthController, type InternalClient, MetricsController } from '@nightshift/http';
import { type App, ReadinessChecks } from '@nightshift/runtime';
import type { Parts, Surroundings } from '@nightshift/service';
import { must } from '@nightshift/std';
import { AdminController } from './admin.controller.ts';
import { ADMIN_TOKEN } from './admin.guard.ts';
import { AgentChats } from './agent-chats.client.ts';
import { ChatController } from './chat.controller.ts';
import { ChatsClient } from './chats.client.ts';
import { CompletionsController } from './completions.controller.ts';
import type { GatewayEnvironment } from './config.ts';
import { CONSUMER_CLIENTS, DeadLettersController } from './dead-letters.controller.ts';
import { DeliveriesClient } from './deliveries.client.ts';
import { DeliveriesController } from './deliveries.controller.ts';
import { PrismaClient } from './generated/client.ts';
import { FramesClient } from './frames.client.ts';
import { KeyStore } from './key.store.ts';
import { ModelsController } from './models.controller.ts';
import { checkNeighbour } from './neighbours.client.ts';
import { NeighboursLoop } from './neighbours.loop.ts';
import { OrgStore } from './org.store.ts';
import { PoolClients } from './pool.client.ts';
import { Pools } from './pools.client.ts';
import { PoolsController } from './pools.controller.ts';
import { PoolsLoop } from './pools.loop.ts';
import { RateLimiter } from './rate-limiter.client.ts';
import { RequestCounter } from './request-counter.client.ts';
import { RequestsController } from './requests.controller.ts';
import { RunIntake } from './run-intake.client.ts';
import { RunStreams } from './run-streams.client.ts';
import { RunStreamsController } from './run-streams.controller.ts';
import { RunWaits } from './run-waits.client.ts';
import { RunsClient } from './runs.client.ts';
import { RunsController } from './runs.controller.ts';
import { Settings } from './settings.ts';
import { StreamSender } from './stream-sender.server.ts';
import { SubscriptionsController } from './subscriptions.controller.ts';
import { TextCompletions } from './text-completions.client.ts';
import { ToolsClient } from './tools.client.ts';
import { ToolsController } from './tools.controller.ts';
import { BILLING_CLIENT, UsageController } from './usage.controller.ts';
import { WebhooksClient } from './webhooks.client.ts';

const CONSUMERS = ['runs', 'engine-orchestrator', 'tool-executor', 'webhook-dispatcher', 'billing'] as const;

/** The public edge. */
@Module({})
export class AppModule {
  static of(environment: GatewayEnvironment, around: Pick<Surroundings, 'client' | 'poolClient' | 'neighbours' | 'readiness' | 'onePool' | 'hints' | 'log' | 'redisUrl' | 'shutdown'>, parts: Pick<Parts, 'db' | 'onStart'>): DynamicModule {
    const prisma = new PrismaClient({ adapter: new PrismaPg(parts.db.pool, { schema: 'gateway' }) });
    const clients = new Map<App, InternalClient>(CONSUMERS.map((app) => [app, around.client(app)]));
    const clientOf = (app: App): InternalClient => must(clients.get(app), app);
    const neighbours = around.neighbours.map((app) => [app, clientOf(app)] as const);
    for (const [app, client] of neighbours) around.readiness.add(() => checkNeighbour(app, client));
    const neighboursLoop = new NeighboursLoop(neighbours);
    parts.onStart(() => neighboursLoop.start());
    around.shutdown.add('refuse', 'neighbours', () => neighboursLoop.stop());
    const orgs = new OrgStore(prisma);
    const pools = new Pools({ orgs, runs: clientOf('runs'), engine: clientOf('engine-orchestrator'), executor: clientOf('tool-executor'), onePool: around.onePool });
    const poolClients = new PoolClients({ shared: clients, ownOf: around.poolClient, pools });
    const catalogue = servedCatalogue({ file: environment.ENGINES_FILE, baseUrl: environment.UPSTREAM_BASE_URL, model: environment.UPSTREAM_MODEL });
    const settings = new Settings({
      catalogueOf: (pool) => pools.catalogueOf(pool) ?? catalogue,
      egressAllow: environment.EGRESS_ALLOW,
      sealPublicKey: environment.SEAL_PUBLIC_KEY,
      browserOrigins: environment.BROWSER_ORIGINS,
      onePool: around.onePool,
    });
    const poolsLoop = new PoolsLoop(pools, around.log);
    parts.onStart(() => poolsLoop.start());
    around.shutdown.add('refuse', 'pools', () => poolsLoop.stop());
    const runs = new RunsClient(around.client('runs'));
    const streams = new RunStreams({ frames: new FramesClient((pool) => poolClients.readerOf('engine-orchestrator', pool)), runs, hints: around.hints, log: around.log });
    const sender = new StreamSender(streams, around.log);
    const chats = new ChatsClient((pool) => poolClients.workerOf('engine-orchestrator', pool));
    const tools = new ToolsClient(clientOf('tool-executor'), poolClients);
    const requests = new RequestCounter(around.redisUrl);
    around.shutdown.add('close', 'request counts', () => requests.close());
    const limiter = new RateLimiter({ defaults: { rpm: environment.RATE_LIMIT_RPM, tpm: environment.RATE_LIMIT_TPM }, requests, billing: around.client('billing') });
    const intake = new RunIntake(runs, tools, settings);
    const waits = new RunWaits(runs, around.hints, around.log);
    around.shutdown.add('refuse', 'waits', () => waits.refuse());
    for (const phase of ['drain', 'finish'] as const) {
      around.shutdown.add(phase, 'streams', (hurry) => sender.drain(AbortSignal.any([hurry, AbortSignal.timeout(environment.STREAM_DRAIN_MS)])));
      around.shutdown.add(phase, 'plain calls', (hurry) => chats.drain(AbortSignal.any([hurry, AbortSignal.timeout(environment.STREAM_DRAIN_MS)])));
      around.shutdown.add(phase, 'waits', (hurry) => waits.drain(hurry, environment.SHUTDOWN_GRACE_MS));
    }
    return {
      module: AppModule,
      controllers: [HealthController, ...(around.neighbours.length === 0 ? [MetricsController] : []), RunStreamsController, RunsController, ChatController, CompletionsController, RequestsController, ToolsController, SubscriptionsController, DeliveriesController, ModelsController, UsageController, AdminController, PoolsController, DeadLettersController],
      providers: [
        { provide: KeyStore, useValue: new KeyStore(prisma) },
        { provide: OrgStore, useValue: orgs },
        { provide: Pools, useValue: pools },
        { provide: PoolClients, useValue: poolClients },
        { provide: RunsClient, useValue: runs },
        { provide: RunStreams, useValue: streams },
        { provide: StreamSender, useValue: sender },
        { provide: RunWaits, useValue: waits },
        { provide: RunIntake, useValue: intake },
        { provide: AgentChats, useValue: new AgentChats({ intake, waits, runs, sender, settings }) },
        { provide: ToolsClient, useValue: tools },
        { provide: ChatsClient, useValue: chats },
        { provide: TextCompletions, useValue: new TextCompletions(chats) },
        { provide: DeliveriesClient, useValue: new DeliveriesClient(around.client('webhook-dispatcher')) },
        { provide: WebhooksClient, useValue: new WebhooksClient(around.client('webhook-dispatcher')) },
        { provide: RateLimiter, useValue: limiter },
        { provide: Settings, useValue: settings },
        { provide: BILLING_CLIENT, useValue: around.client('billing') },
        { provide: CONSUMER_CLIENTS, useValue: clients },
        { provide: ADMIN_TOKEN, useValue: environment.ADMIN_TOKEN },
        { provide: ReadinessChecks, useValue: around.readiness },
      ],
    };
  }
}
