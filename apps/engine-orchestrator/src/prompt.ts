import type { Engine } from '@nightshift/contracts';
import { answerOffer, answerPrompt } from './answer-function.ts';
import type { Target } from './catalogue.ts';
import { lastTurn, reachedLimit } from './limits.ts';
import { type ModelContentPart, type ModelMessage, type ModelRequest, textTokens } from './model.ts';
import { offersOf } from './offered-tools.ts';
import { planOffers, planPrompt } from './planner.ts';
import { estimateFactor, type JournalEntry, type Session } from './session.ts';
import { resultsOf, TaskTree } from './task-tree.ts';
import { tokensOf, workingMemory } from './working-memory.ts';

const SYSTEM_PROMPT = [
  'You are an agent that works in the background: nobody can answer questions while you work.',
  'Do the task on your own. Call the tools you are given whenever they help; several calls in one turn run side by side.',
  'A tool that fails tells you why: try another way, or say in your answer what could not be done.',
].join(' ');
const ANSWER_PROMPT = 'When the task is done, reply with the final answer and no tool call.';

/** A model request, and what it took to make it fit. */
export interface Prompt {
  readonly request: ModelRequest;
  /** Estimated tokens of the request. */
  readonly tokens: number;
  /** Estimated tokens of what was left out. */
  readonly prunedTokens: number;
  /** True when the task alone, with its tools, is more than the engine takes. */
  readonly isTooLarge: boolean;
}

const OUTPUT_TOKENS = 4096;
const OUTPUT_PART = 0.25;
const PRUNING_BUFFER = 1;
/** What turns may take at least, where a task that fits by itself leaves hardly any room. */
const MEMORY_TOKENS_MIN = 256;

/** What the model is asked in the session's next turn: a pure function of the session and its journal. */
export function promptOf({ request, step, usage }: Pick<Session, 'request' | 'step' | 'usage'>, journal: readonly JournalEntry[], { model, responseFormat, reasoningEffort }: Omit<Target, 'upstream'>, engine: Engine): Prompt {
  const { tools: offered, names } = offersOf(request, journal);
  const { answerFormat } = request;
  const plans = offered.size > 0;
  const answer = answerFormat && names.answer !== undefined && responseFormat !== 'json_schema' ? answerOffer(names.answer, answerFormat) : undefined;
  const tools = [...[...offered.values()].map(({ offer }) => offer), ...(plans ? planOffers(names) : []), ...(answer ? [answer] : [])];
  const head: ModelMessage[] = [
    { role: 'system', content: [SYSTEM_PROMPT, answer ? answerPrompt(answer.name) : ANSWER_PROMPT, ...(plans ? [planPrompt(names)] : [])].join(' ') },
    { role: 'user', content: taskOf(request) },
  ];
  const isLast = reachedLimit({ step, usage }, engine) !== undefined;
  const tail: ModelMessage[] = isLast && journal.length > 0 ? [{ role: 'user', content: lastTurn(answer?.name) }] : [];
  const headTokens = tokensOf([...head, ...tail]) + (answerFormat && !answer ? textTokens(JSON.stringify(answerFormat)) : 0) + (tools.length > 0 ? textTokens(JSON.stringify(tools)) : 0);
  const { contextTokens, outputTokens, pruningBuffer = PRUNING_BUFFER } = engine.limits;
  const reserved = Math.min(request.maxStepTokens ?? outputTokens ?? OUTPUT_TOKENS, outputTokens ?? Infinity, Math.floor(contextTokens * OUTPUT_PART));
  const tokensMax = Math.max(MEMORY_TOKENS_MIN, Math.floor((contextTokens - reserved) / estimateFactor(journal)) - headTokens);
  const results = resultsOf(journal);
  const { messages, tokens, prunedTokens } = workingMemory({
    turns: journal.filter((entry) => entry.kind === 'turn'),
    results,
    concluded: TaskTree.of(journal, names, engine.limits.subtaskDepth, results).concluded,
    tokensMax,
    buffer: pruningBuffer,
    images: engine.images ?? false,
  });
  return {
    request: {
      model,
      messages: [...head, ...messages, ...tail],
      tools,
      ...(answer && (isLast || !plans) ? { toolChoice: { name: answer.name } } : isLast && tools.length > 0 && { toolChoice: 'none' as const }),
      ...((request.maxStepTokens ?? request.limits?.outputTokens) !== undefined && { maxTokens: reserved }),
      ...(engine.limits.outputTokens !== undefined && { outputTokens: reserved }),
      ...(reasoningEffort !== undefined && { reasoningEffort }),
      ...(answerFormat && formatOf(answerFormat, responseFormat)),
    },
    tokens: headTokens + tokens,
    prunedTokens,
    isTooLarge: headTokens >= contextTokens - reserved,
  };
}

/** What the upstream is told of the format, as far as it can be. */
function formatOf(schema: Readonly<Record<string, unknown>>, known: Target['responseFormat']): Pick<ModelRequest, 'responseFormat'> {
  if (known === 'none') return {};
  return { responseFormat: known === 'json_object' ? { type: 'json_object' } : { type: 'json_schema', json_schema: { name: 'answer', schema } } };
}

/** The task: a text, and parts where images belong to it. */
function taskOf({ instructions, content = [] }: Session['request']): string | ModelContentPart[] {
  const parts = content.map((part): ModelContentPart => (part.type === 'text' ? part : { type: 'image_url', image_url: { url: part.url } }));
  if (parts.some(({ type }) => type === 'image_url')) return [{ type: 'text', text: instructions }, ...parts];
  return [instructions, ...content.flatMap((part) => (part.type === 'text' ? [part.text] : []))].join('\n\n');
}
