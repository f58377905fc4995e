import { AppError, type CreateRun, findEngine } from '@nightshift/contracts';
import type { AppRequest } from '@nightshift/http';
import { compileJsonSchema } from '@nightshift/json-schema';
import { newId } from '@nightshift/std';
import { admit, encodingOf, type Envelope, hasImages, idempotencyOf } from './admission.ts';
import type { Caller } from './api-key.ts';
import { assertCallbackUrl } from './callback-url.guard.ts';
import type { RunsClient } from './runs.client.ts';
import type { Settings } from './settings.ts';
import type { ToolsClient } from './tools.client.ts';

/** The run that stands for a request, and what the reply's headers say of that. */
export interface Taken {
  readonly runId: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The same; `replayed` when an earlier request with the same key made it. */
interface Created {
  readonly runId: string;
  readonly replayed: boolean;
}

/** Where runs come in, from whichever surface. */
export class RunIntake {
  readonly #runs: RunsClient;
  readonly #tools: ToolsClient;
  readonly #settings: Settings;

  constructor(runs: RunsClient, tools: ToolsClient, settings: Settings) {
    this.#runs = runs;
    this.#tools = tools;
    this.#settings = settings;
  }

  /** Checks what a schema cannot, and has the run created. `route` is where the request's idempotency key counts. */
  async take(body: CreateRun, caller: Caller, request: AppRequest, route: string): Promise<Taken> {
    const { traceparent, headers, rawBody } = request;
    const envelope = { runId: newId('run'), traceparent, answerEncoding: encodingOf(headers['x-answer-encoding']), idempotency: idempotencyOf(headers['idempotency-key'], route, rawBody) };
    const { runId, replayed } = await this.#create(body, caller, envelope);
    request.notes.runId = runId;
    return { runId, headers: { ...(replayed && { 'idempotency-replayed': 'true' }), ...(hasReasoningFormat(request.body) && { warning: '299 - "input.reasoningFormat is ignored"' }) } };
  }

  /** What would not be accepted any more, because a saved tool is gone, still gets the reply that its idempotency key has. */
  async #create(body: CreateRun, caller: Caller, envelope: Envelope): Promise<Created> {
    try {
      this.#check(body, caller);
      const saved = await this.#tools.resolve(body.input.tools, caller);
      return await this.#runs.create(admit(body, { ...caller, pool: this.#settings.onePool ?? caller.pool }, envelope, this.#settings.sealPublicKey, saved));
    } catch (err) {
      const isRefused = err instanceof AppError && err.code === 'invalid_request';
      const earlier = isRefused && envelope.idempotency ? await this.#runs.replay(caller.orgId, envelope.idempotency) : null;
      if (earlier === null) throw err;
      return { runId: earlier, replayed: true };
    }
  }

  #check(body: CreateRun, caller: Caller): void {
    const { engines } = this.#settings.catalogueOf(caller.pool);
    const engine = findEngine(engines, body.engine);
    if (!engine) {
      throw invalid('engine', `unknown engine "${body.engine}"; known: ${engines.map(({ id }) => id).join(', ')}`);
    }
    if (!engine.images && hasImages(body)) {
      const able = engines.filter(({ images }) => images).map(({ id }) => id);
      throw invalid('input.content', `the engine "${body.engine}" takes no images; those that do: ${able.join(', ') || 'none'}`);
    }
    const [problem] = body.input.answerFormat ? compileJsonSchema(body.input.answerFormat).problems : [];
    if (problem !== undefined) throw invalid('input.answerFormat', problem);
    const callbackUrl = body.output?.callbackUrl;
    if (callbackUrl) assertCallbackUrl('output.callbackUrl', callbackUrl, [...this.#settings.egressAllow, ...caller.egressAllow]);
  }
}

function hasReasoningFormat(body: unknown): boolean {
  const input = (body as { input?: { reasoningFormat?: unknown } } | undefined)?.input;
  return input?.reasoningFormat !== undefined;
}

function invalid(field: string, problem: string): AppError {
  return new AppError('invalid_request', { message: `${field}: ${problem}`, details: { fields: { [field]: problem } } });
}
