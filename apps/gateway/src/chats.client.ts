import type { ChatRequest, InternalChat } from '@nightshift/contracts';
import type { InternalClient, StreamedAnswer } from '@nightshift/http';
import { timeOrderedHex } from '@nightshift/std';
import type { Caller } from './api-key.ts';

/** Plain model calls, which engine-orchestrator makes. */
export class ChatsClient {
  readonly #engine: InternalClient;

  constructor(engine: InternalClient) {
    this.#engine = engine;
  }

  /** Calls a model for the caller; an abort cancels the call where it runs. The answer is as it goes to the client, but for the id of the request in an error. */
  call(request: ChatRequest, { keyId, orgId, pool, runLimits }: Caller, traceparent: string, signal: AbortSignal): Promise<StreamedAnswer> {
    const body: InternalChat = { callId: `chatcmpl-${timeOrderedHex()}`, orgId, apiKeyId: keyId, pool, limits: runLimits, request };
    return this.#engine.stream({ path: '/internal/chats', body, traceparent }, signal);
  }
}
