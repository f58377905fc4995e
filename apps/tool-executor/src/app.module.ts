import { type DynamicModule, Module } from '@nestjs/common';
import { createEgress, HealthController } from '@nightshift/http';
import { BusStrategy, DeadLettersController, DeadLetterStore } from '@nightshift/messaging';
import { ReadinessChecks } from '@nightshift/runtime';
import { observeWork, type Parts, PoolMembers, PoolsController, retention, ServedPools, servePool, type Surroundings } from '@nightshift/service';
import { CallConsumer, ENGINE_CLIENT } from './call.consumer.ts';
import { CallLoop } from './call.loop.ts';
import { CALLS } from './call.sql.ts';
import { CallStore } from './call.store.ts';
import { CallsController } from './calls.controller.ts';
import { searchProviders, type ToolEnvironment } from './config.ts';
import { Documents } from './documents.client.ts';
import { createMcpServers } from './mcp.client.ts';
import { MCP_TOOLS, McpController } from './mcp.controller.ts';
import { Outbound } from './outbound.client.ts';
import { PlatformTools } from './platform.tool.ts';
import { SearchClient } from './search.client.ts';
import { SavedToolStore } from './saved-tool.store.ts';
import { ToolTester } from './tool-tester.client.ts';
import { ToolsController } from './tools.controller.ts';

/** Executes tool calls; the only process that opens tool credentials. */
@Module({})
export class AppModule {
  static of(environment: ToolEnvironment, around: Surroundings, parts: Parts): DynamicModule {
    const { db, relay, onStart } = parts;
    const { log, hints, pool, shutdown } = around;
    const { CALL_SLOTS: slots, TOOL_HOST_CONCURRENCY: laneMax, WORK_LEASE_MS: leaseMs, SEAL_PRIVATE_KEY: sealPrivateKey } = environment;
    const calls = new CallStore(db, relay, { leaseMs, laneMax });
    const egress = createEgress({ allow: environment.EGRESS_ALLOW });
    const documents = new Documents();
    // Addresses that the operator has configured are the operator's own.
    const operatorEgress = createEgress({ allow: ['0.0.0.0/0', '::/0'] });
    const platform = new PlatformTools(egress, documents, new SearchClient(searchProviders(environment), operatorEgress));
    const saved = new SavedToolStore(db, sealPrivateKey);
    const servers = createMcpServers(egress);
    const kit = { outbound: new Outbound(egress, undefined, pool), platform, servers, sealPrivateKey };
    const loop = new CallLoop({ db, calls, kit, hints, pool, slots, laneMax, leaseMs, observer: observeWork('tool_call', log, pool), log });
    const members = new PoolMembers(db, 'tools');
    onStart(() => loop.start());
    servePool(around, parts, members);
    onStart(() => retention(around, 'tool calls', () => calls.forget(environment.RUN_RETENTION_DAYS, 1000)));
    onStart(() => retention(around, 'idempotency keys of tools', () => saved.forgetKeys(1000)));
    shutdown.add('refuse', 'tool calls', () => loop.refuse());
    shutdown.add('drain', 'tool calls', (hurry) => loop.drain(hurry));
    shutdown.add('close', 'egress', async () => {
      await servers.close();
      await Promise.all([egress.close(), operatorEgress.close()]);
    });
    shutdown.add('close', 'documents', () => documents.close());
    return {
      module: AppModule,
      controllers: [HealthController, CallsController, McpController, ToolsController, PoolsController, CallConsumer, DeadLettersController],
      providers: [
        { provide: CallStore, useValue: calls },
        { provide: CallLoop, useValue: loop },
        { provide: MCP_TOOLS, useValue: kit },
        { provide: PlatformTools, useValue: platform },
        { provide: SavedToolStore, useValue: saved },
        { provide: ToolTester, useValue: new ToolTester({ saved, platform, egress, mcp: kit }) },
        { provide: ENGINE_CLIENT, useValue: around.client('engine-orchestrator') },
        { provide: ServedPools, useValue: new ServedPools(db, members, CALLS) },
        { provide: ReadinessChecks, useValue: around.readiness },
        { provide: DeadLetterStore, useValue: parts.deadLetters },
        { provide: BusStrategy, useValue: parts.strategy },
      ],
    };
  }
}
