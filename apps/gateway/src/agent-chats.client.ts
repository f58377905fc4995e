import { AgentChat, AppError, type ChatCompletion, CreateRun, type Engine, findEngine, type RequestAccepted } from '@nightshift/contracts';
import { type AppRequest, invalidRequest, leaving } from '@nightshift/http';
import type { FastifyReply } from 'fastify';
import { renderChat, renderChatNotice } from './agent-chat-wire.ts';
import { completionOf, failureOf, inChatTerms, runOf } from './agent-chat.ts';
import type { Caller } from './api-key.ts';
import { isPlainModel } from './catalogue.ts';
import { modelNotFound } from './chat.ts';
import type { RunIntake } from './run-intake.client.ts';
import type { RunWaits } from './run-waits.client.ts';
import type { RunsClient } from './runs.client.ts';
import type { Settings } from './settings.ts';
import type { StreamSender } from './stream-sender.server.ts';

/** A chat request to an engine, with who asks and where the answer goes. */
export interface AgentCall {
  readonly body: unknown;
  readonly caller: Caller;
  readonly request: AppRequest;
  readonly reply: FastifyReply;
  /** The run is canceled when the client leaves before its end. */
  readonly cancels?: boolean;
}

const ROUTE = '/v1/chat/completions';
const ESTIMATE_MS = 60_000;

/** Chat requests to engines of the catalogue: each is a run. */
export class AgentChats {
  readonly #intake: RunIntake;
  readonly #waits: RunWaits;
  readonly #runs: RunsClient;
  readonly #sender: StreamSender;
  readonly #settings: Settings;

  constructor({ intake, waits, runs, sender, settings }: { intake: RunIntake; waits: RunWaits; runs: RunsClient; sender: StreamSender; settings: Settings }) {
    this.#intake = intake;
    this.#waits = waits;
    this.#runs = runs;
    this.#sender = sender;
    this.#settings = settings;
  }

  /** The completion, when the run has ended; undefined when the client has gone before that. */
  async complete(call: AgentCall): Promise<ChatCompletion | undefined> {
    const { caller: { orgId }, cancels } = call;
    const gone = leaving(call.reply);
    const { chat } = this.#read(call);
    const runId = await this.#take(chat, call, ROUTE);
    return onlyOnce(call.reply, async () => {
      try {
        const run = await this.#waits.wait({ runId, orgId, encoding: 'object', gone });
        if (run.status === 'succeeded') return completionOf(run);
        if (!gone.aborted) throw failureOf(run);
        return undefined;
      } finally {
        // Also where nobody could say how the run stood.
        if (gone.aborted && cancels) await this.#runs.cancel(runId, orgId, undefined);
      }
    });
  }

  /** The completion in chunks, as the run goes on. */
  async stream(call: AgentCall): Promise<void> {
    const { caller: { orgId }, reply, cancels } = call;
    const { chat } = this.#read(call);
    const runId = await this.#take(chat, call, ROUTE);
    const run = { runId, engine: chat.model, pool: call.caller.pool };
    const includesUsage = chat.stream_options?.include_usage === true;
    this.#sender.send(reply, run, 0, {
      atDrain: renderChatNotice('service_unavailable', `The server is stopping. The run goes on: GET /v1/runs/${runId}/stream shows it.`),
      headers: {},
      render: (frame) => renderChat(frame, run, includesUsage),
      ...(cancels && { onLeave: () => this.#runs.cancel(runId, orgId, undefined) }),
    });
  }

  /** Has the run created, and says where its end can be seen. */
  async submit(call: AgentCall, route: string = ROUTE): Promise<RequestAccepted> {
    const { chat, engine } = this.#read(call);
    const [requestId, estimateMs] = await Promise.all([this.#take(chat, call, route), this.#estimateMs(chat.model, engine)]);
    return { requestId, request_id: requestId, jobId: requestId, status: 'pending', estimatedCompletionTime: new Date(Date.now() + estimateMs).toISOString() };
  }

  #read({ body, caller }: AgentCall): { chat: AgentChat; engine: Engine } {
    const parsed = AgentChat.safeParse(body);
    if (!parsed.success) throw invalidRequest(parsed.error.issues);
    const { model } = parsed.data;
    const catalogue = this.#settings.catalogueOf(caller.pool);
    const engine = findEngine(catalogue.engines, model);
    if (!engine) throw isPlainModel(catalogue, model) ? onlyEngines(model) : modelNotFound(model);
    return { chat: parsed.data, engine };
  }

  async #take(chat: AgentChat, { caller, request, reply }: AgentCall, route: string): Promise<string> {
    try {
      const run = CreateRun.safeParse(runOf(chat));
      if (!run.success) throw invalidRequest(run.error.issues);
      const { runId, headers } = await this.#intake.take(run.data, caller, request, route);
      reply.headers({ 'x-run-id': runId, ...headers });
      return runId;
    } catch (err) {
      throw inChatTerms(err);
    }
  }

  /** An estimate is nothing to fail for. */
  async #estimateMs(model: string, { id, aliases }: Engine): Promise<number> {
    try {
      const medians = await this.#runs.durations();
      return [model, id, ...aliases].map((name) => medians[name]).find((ms) => ms !== undefined) ?? ESTIMATE_MS;
    } catch (err) {
      if (err instanceof AppError) return ESTIMATE_MS;
      throw err;
    }
  }
}

function onlyEngines(model: string): AppError {
  const problem = `"${model}" is a plain model; only engines work in the background`;
  return new AppError('invalid_request', { message: `model: ${problem}`, details: { fields: { model: problem } } });
}

/** What comes after a run was created: clients must not repeat a request that fails there by themselves, since that would be another run. */
async function onlyOnce<T>(reply: FastifyReply, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (err) {
    reply.header('x-should-retry', 'false');
    throw err;
  }
}
