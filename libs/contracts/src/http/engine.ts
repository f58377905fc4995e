import { z } from 'zod';

/** USD per million tokens. */
const Prices = z.object({ input: z.number().nonnegative(), cachedInput: z.number().nonnegative().optional(), output: z.number().nonnegative() });

/** Bounds of one run; what is left out has its default, or no bound. */
export const RunLimits = z.object({
  /** Tokens of one reply. */
  outputTokens: z.number().int().positive().optional(),
  /** Model turns of one run; default 100. */
  turns: z.number().int().positive().optional(),
  /** Tool calls of one run. */
  toolCalls: z.number().int().nonnegative().optional(),
  /** Tool calls of one turn; default and maximum 64. */
  parallelToolCalls: z.number().int().positive().optional(),
  /** Bytes of all tool results of one run together, as JSON; default 33,554,432. */
  resultBytes: z.number().int().positive().optional(),
  /** Input and output tokens of all turns of one run together. */
  runInputTokens: z.number().int().positive().optional(),
  runOutputTokens: z.number().int().positive().optional(),
  /** How deep subtasks may be nested; default 8. */
  subtaskDepth: z.number().int().positive().optional(),
  /** Characters of the answer; default 1,048,576. */
  answerChars: z.number().int().positive().optional(),
});
export type RunLimits = z.infer<typeof RunLimits>;

/** Bounds of one run on an engine. */
const Limits = RunLimits.extend({
  /** Tokens of one model request, the reply included. */
  contextTokens: z.number().int().positive(),
  /** Of how many of the last concluded subtasks the model still sees the steps; default 1. */
  pruningBuffer: z.number().int().nonnegative().optional(),
});

/** How much a model is to think before it answers; without it, as the upstream does by default. */
export const ReasoningEffort = z.enum(['none', 'minimal', 'low', 'medium', 'high']);
export type ReasoningEffort = z.infer<typeof ReasoningEffort>;

/** One row of the catalogue. An id or alias is what clients send as `engine`. */
export const Engine = z.object({
  id: z.string().min(1),
  aliases: z.array(z.string()).default([]),
  /** In order of preference. */
  upstreams: z.array(z.object({ name: z.string(), model: z.string(), reasoningEffort: ReasoningEffort.optional() })).default([]),
  prices: Prices,
  limits: Limits,
  /** Whether its models take images. */
  images: z.boolean().optional(),
});
export type Engine = z.infer<typeof Engine>;

const Count = z.number().int().positive();

/** One model server. What is left out of its limits is not limited, or has the engine's default. */
export const Upstream = z.object({
  kind: z.enum(['openai', 'anthropic'], { error: 'must be "openai" or "anthropic"' }),
  baseUrl: z.url({ protocol: /^https?$/ }),
  apiKeyEnv: z.string().optional(),
  apiKeyFile: z.string().optional(),
  /** Requests in flight at once, per process. */
  concurrency: Count.optional(),
  /** Requests and tokens in any minute, per process. */
  requestsPerMinute: Count.optional(),
  tokensPerMinute: Count.optional(),
  /** What it can be told of the answer's format: a schema, that it is JSON, or nothing. */
  responseFormat: z.enum(['json_schema', 'json_object', 'none']).optional(),
  /** How long it may take until its reply begins, and how long a reply may be silent. */
  firstByteTimeoutMs: Count.optional(),
  idleTimeoutMs: Count.optional(),
  /** After so many failures in a row it is left alone for `openMs`, and longer each time that it fails again. */
  breaker: z.object({ failures: Count.optional(), openMs: Count.optional() }).optional(),
});
export type Upstream = z.infer<typeof Upstream>;

/** The file that `ENGINES_FILE` names. */
export const EnginesFile = z
  .object({
    upstreams: z.record(z.string(), Upstream),
    engines: z.array(Engine.extend({ upstreams: Engine.shape.upstreams.unwrap().min(1) })).min(1),
  })
  .superRefine((file, ctx) => {
    const seen = new Set<string>();
    file.engines.forEach((engine, index) => {
      for (const name of [engine.id, ...engine.aliases]) {
        if (seen.has(name)) ctx.addIssue({ code: 'custom', path: ['engines', index], message: `"${name}" is named twice` });
        seen.add(name);
      }
      for (const upstream of engine.upstreams) {
        if (!Object.hasOwn(file.upstreams, upstream.name)) ctx.addIssue({ code: 'custom', path: ['engines', index, 'upstreams'], message: `there is no upstream "${upstream.name}"` });
      }
    });
  });
export type EnginesFile = z.infer<typeof EnginesFile>;

const engine = (id: string, input: number, output: number, aliases: string[] = [], cachedInput?: number): Engine => ({
  id,
  aliases,
  upstreams: [],
  prices: { input, output, ...(cachedInput !== undefined && { cachedInput }) },
  limits: { contextTokens: 128_000 },
});

/** The catalogue when no `ENGINES_FILE` is given; prices are those clients know these ids by. */
export const DEFAULT_ENGINES: readonly Engine[] = [
  engine('tim', 2, 8, ['tim-1.5', 'tim-omni', 'tim-omni-mini', 'tim-test']),
  engine('tim-edge', 0.5, 2, ['tim-small-preview', 'tim-small', 'tim-oss-local']),
  engine('tim-gpt', 2, 8, ['tim-large']),
  engine('tim-gpt-heavy', 2, 15, ['tim-gpt-heavy-tc']),
  engine('timini', 2, 12),
  { ...engine('tim-claude', 4, 15), images: true },
  { ...engine('tim-claude-heavy', 6, 25), images: true },
  engine('subconscious/tim-qwen3.6-27b', 0.5, 3.5, ['subconscious/deepseek-v4-flash-marathon', 'subconscious/deepseek-v4.1-flash-marathon'], 0.05),
  engine('subconscious/glm-5.2', 1.4, 4.4, ['subconscious/glm-5.3-marathon'], 0.26),
];

/** The engine that answers for an id or alias, or undefined. */
export function findEngine(engines: readonly Engine[], name: string): Engine | undefined {
  return engines.find((candidate) => candidate.id === name || candidate.aliases.includes(name));
}

/** A model that is called plainly: asked once, with the caller's own messages and tools. */
export interface PlainModel {
  /** Gives prices and limits, and where there are several upstreams the order in which they are asked. */
  readonly engine: Engine;
  /** The model of an upstream that was named, or undefined where the engine was. */
  readonly model: string | undefined;
}

/**
 * What a plain call of `name` asks, or undefined where it is none: an id with a `/` that the catalogue holds, or a model of an
 * upstream. `upstreamModel` is the one model of the one upstream that answers for every engine.
 */
export function plainModelOf(engines: readonly Engine[], upstreamModel: string | undefined, name: string): PlainModel | undefined {
  const found = findEngine(engines, name);
  if (found && name.includes('/')) return { engine: found, model: undefined };
  const engine = name === upstreamModel ? engines[0] : engines.find(({ upstreams }) => upstreams.some(({ model }) => model === name));
  return engine && { engine, model: name };
}

/** The models of upstreams that can be called plainly by their own names, each once, in the catalogue's order. */
export function plainModels(engines: readonly Engine[], upstreamModel: string | undefined): string[] {
  return [...new Set([...(upstreamModel === undefined ? [] : [upstreamModel]), ...engines.flatMap(({ upstreams }) => upstreams.map(({ model }) => model))])];
}

/** One model of GET /v1/models. */
export const Model = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.number().int(),
    owned_by: z.string(),
    aliases: z.array(z.string()).describe('Other ids that mean the same engine.'),
    context_length: z.number().int(),
    max_completion_tokens: z.number().int().optional(),
    pricing: z.object({ prompt: z.string(), completion: z.string(), input_cache_read: z.string() }).describe('USD per token, as decimal text.'),
    input_modalities: z.array(z.enum(['text', 'image'])),
    output_modalities: z.array(z.literal('text')),
    limits: Limits.describe('Bounds of one run; what is absent has a default, or no bound.'),
    status: z.enum(['live', 'offline']).describe('`offline` when the offline engine answers, because no upstream is configured.'),
    offline: z.boolean().describe('The same as a boolean.'),
  })
  .meta({ id: 'Model' });
export type Model = z.infer<typeof Model>;

/** Reply of GET /v1/models. */
export const ModelList = z.object({ object: z.literal('list'), data: z.array(Model) }).meta({ id: 'ModelList' });
export type ModelList = z.infer<typeof ModelList>;
