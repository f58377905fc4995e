import { type DynamicModule, Module } from '@nestjs/common';
import { HealthController } from '@nightshift/http';
import { BusStrategy, DeadLettersController, DeadLetterStore } from '@nightshift/messaging';
import { ReadinessChecks } from '@nightshift/runtime';
import { observeWork, type Parts, retention, type Surroundings } from '@nightshift/service';
import { ChatUsageStore } from './chat-usage.store.ts';
import { Chats } from './chats.client.ts';
import { ChatsController } from './chats.controller.ts';
import type { EngineEnvironment } from './config.ts';
import { FrameLoop } from './frame.loop.ts';
import { FrameStore } from './frame.store.ts';
import { FramesController } from './frames.controller.ts';
import { RunConsumer, RUNS_CLIENT } from './run.consumer.ts';
import { RunEnds } from './run-end.store.ts';
import { SessionStore } from './session.store.ts';
import { SessionsController } from './sessions.controller.ts';
import { ToolConsumer, TOOLS_CLIENT } from './tool.consumer.ts';
import { TurnLoop } from './turn.loop.ts';
import type { Upstreams } from './upstreams.client.ts';

const PACK_EVERY_MS = 60_000;

/** Drives runs: model turns, tool calls, journal. */
@Module({})
export class AppModule {
  static of(environment: EngineEnvironment, upstreams: Upstreams, around: Surroundings, parts: Parts): DynamicModule {
    const { db, relay, onStart } = parts;
    const { log, hints, pool, shutdown } = around;
    const sessions = new SessionStore(db, relay, environment.WORK_LEASE_MS);
    const store = new FrameStore(db);
    const frames = new FrameLoop(store, hints);
    const tools = around.client('tool-executor');
    const turns = new TurnLoop({ db, sessions, frames, upstreams, tools, hints, pool, slots: environment.TURN_SLOTS, leaseMs: environment.WORK_LEASE_MS, observer: observeWork('turn', log, pool), log });
    const chatUsage = new ChatUsageStore(db, relay, (err) => log.warn({ err }, 'the usage of plain calls is not stored yet'));
    const chats = new Chats(upstreams, chatUsage);
    onStart(() => turns.start());
    onStart(() => retention(around, 'sessions', () => sessions.forget(environment.RUN_RETENTION_DAYS, 500)));
    onStart(() => retention(around, 'plain calls', () => chatUsage.forget(environment.RUN_RETENTION_DAYS, 500)));
    onStart(() => retention(around, 'frames to pack', () => store.pack(100), PACK_EVERY_MS));
    shutdown.add('refuse', 'turns', () => turns.refuse());
    shutdown.add('drain', 'turns', (hurry) => turns.drain(AbortSignal.any([hurry, AbortSignal.timeout(environment.TURN_DRAIN_MS)])));
    shutdown.add('drain', 'plain calls', (hurry) => chats.drain(AbortSignal.any([hurry, AbortSignal.timeout(environment.TURN_DRAIN_MS)])));
    return {
      module: AppModule,
      controllers: [HealthController, SessionsController, ChatsController, FramesController, RunConsumer, ToolConsumer, DeadLettersController],
      providers: [
        { provide: SessionStore, useValue: sessions },
        { provide: Chats, useValue: chats },
        { provide: TurnLoop, useValue: turns },
        { provide: FrameStore, useValue: store },
        { provide: RunEnds, useValue: new RunEnds({ sessions, store, frames, engine: (id) => upstreams.engine(id) }) },
        { provide: RUNS_CLIENT, useValue: around.client('runs') },
        { provide: TOOLS_CLIENT, useValue: tools },
        { provide: ReadinessChecks, useValue: around.readiness },
        { provide: DeadLetterStore, useValue: parts.deadLetters },
        { provide: BusStrategy, useValue: parts.strategy },
      ],
    };
  }
}
