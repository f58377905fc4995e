import { createHash } from 'node:crypto';
import { AppError, AnswerEncoding, type CreateRun, type InternalCreateRun, type RunRequest, runContentOf, type SealedTool, type Tool, toolTimeoutMs } from '@nightshift/contracts';
import { cleanJson, cleanText, seal } from '@nightshift/std';
import type { Caller } from './api-key.ts';

const TIMEOUT_SECONDS = 3600;
const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** What a request says besides its body. */
export interface Envelope {
  readonly runId: string;
  readonly traceparent: string;
  readonly answerEncoding: AnswerEncoding | undefined;
  readonly idempotency: { readonly route: string; readonly key: string; readonly bodyHash: string } | undefined;
}

/** A request as runs takes it: text made storable, credentials sealed for the executor alone. `saved` holds the saved tools by the id that the request uses; the run keeps them as they are now. */
export function admit(body: CreateRun, caller: Caller, envelope: Envelope, sealPublicKey: string, saved: ReadonlyMap<string, SealedTool> = new Map()): InternalCreateRun {
  const { input, output, options } = body;
  return {
    runId: envelope.runId,
    orgId: caller.orgId,
    apiKeyId: caller.keyId,
    pool: caller.pool,
    engine: body.engine,
    request: cleanJson({
      instructions: input.instructions,
      ...contentOf(input),
      tools: input.tools.map((tool) => (tool.type === 'platform' ? saved.get(tool.id) : undefined) ?? sealTool(tool, sealPublicKey, caller.orgId)),
      ...(input.answerFormat && { answerFormat: input.answerFormat }),
      ...(typeof options?.max_step_tokens === 'number' && { maxStepTokens: options.max_step_tokens }),
      ...(output?.responseContent === 'answer_only' && { answerOnly: true }),
      ...(Object.keys(caller.runLimits).length > 0 && { limits: caller.runLimits }),
      ...(caller.egressAllow.length > 0 && { egressAllow: [...caller.egressAllow] }),
    }) as RunRequest,
    timeoutMs: (options?.timeout ?? TIMEOUT_SECONDS) * 1000,
    ...(output?.callbackUrl && { callbackUrl: cleanText(output.callbackUrl) }),
    responseContent: output?.responseContent ?? 'full',
    answerEncoding: envelope.answerEncoding ?? caller.answerEncoding,
    ...(input.metadata && { metadata: cleanJson(input.metadata) as Record<string, unknown> }),
    traceparent: envelope.traceparent,
    ...(envelope.idempotency && { idempotency: envelope.idempotency }),
  };
}

function contentOf({ content, images }: CreateRun['input']): Pick<RunRequest, 'content'> {
  const all = runContentOf(content ?? [], images ?? []);
  return all.length > 0 ? { content: all } : {};
}

/** Whether a request has images, which not every engine takes. */
export function hasImages({ input: { content, images } }: CreateRun): boolean {
  return (images ?? []).length > 0 || (content ?? []).some(({ type }) => type === 'image');
}

/** A tool as it is stored and sent. */
export function sealTool(tool: Tool, publicKey: string, orgId: string): SealedTool {
  if (tool.type === 'platform') return { type: 'platform', id: tool.id, ...(tool.options && { options: tool.options }) };
  if (tool.type === 'mcp') {
    const { auth, headers } = tool;
    const allowed = tool.allowedTools ?? tool.allow ?? (tool.name === undefined ? null : [tool.name]);
    return { type: 'mcp', url: tool.url ?? tool.server ?? '', allowedTools: allowed, ...((auth ?? headers) && { sealed: seal(JSON.stringify({ auth, headers }), publicKey, orgId) }) };
  }
  const { type, name, description, url, method, parameters, envelope, retry, headers, defaults, timeout } = tool;
  const hasSecrets = headers !== undefined || defaults !== undefined;
  return {
    type,
    name,
    ...(description !== undefined && { description }),
    url,
    method,
    parameters,
    ...(envelope !== undefined && { envelope }),
    retry,
    timeoutMs: toolTimeoutMs(timeout),
    hidden: Object.keys(defaults ?? {}),
    ...(hasSecrets && { sealed: seal(JSON.stringify({ headers, defaults: cleanJson(defaults) }), publicKey, orgId) }),
  };
}

/** The idempotency of a request, or undefined without a key. `body` is what was sent, byte for byte. */
export function idempotencyOf(key: string | string[] | undefined, route: string, body: Buffer | undefined): Envelope['idempotency'] {
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || key === '' || key.length > IDEMPOTENCY_KEY_CHARS_MAX) throw invalidHeader('Idempotency-Key', `must be 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} characters`);
  return { route, key, bodyHash: createHash('sha256').update(body ?? '').digest('hex') };
}

/** The answer encoding a request asks for. */
export function encodingOf(header: string | string[] | undefined): AnswerEncoding | undefined {
  if (header === undefined) return undefined;
  const parsed = AnswerEncoding.safeParse(header);
  if (!parsed.success) throw invalidHeader('X-Answer-Encoding', 'must be "object" or "string"');
  return parsed.data;
}

function invalidHeader(name: string, problem: string): AppError {
  return new AppError('invalid_request', { message: `${name}: ${problem}`, details: { fields: { [name]: problem } } });
}
