import { isNestedDeeper, JSON_LEVELS_MAX } from '@nightshift/std';
import type { ModelTool, ModelToolCall } from './model.ts';
import { parseToolArguments } from './tool-arguments.ts';

type Schema = Readonly<Record<string, unknown>>;

/** The function by which a model answers whose upstream cannot be told the format of the answer: its parameters are the format. */
export function answerOffer(name: string, format: Schema): ModelTool {
  const description = 'Ends the task with its answer. The arguments are the answer.';
  if (isOfObject(format)) return { name, description, parameters: format };
  // Parameters are always an object. References into the definitions go on working when these move along.
  const { $defs, definitions, ...answer } = format;
  return { name, description, parameters: { type: 'object', properties: { answer }, required: ['answer'], ...($defs !== undefined && { $defs }), ...(definitions !== undefined && { definitions }) } };
}

/** The answer out of a call of that function, as JSON text; what is not even an object, or is nested too deeply to be kept whole, is left as it is. */
export function answerOfCall(call: Pick<ModelToolCall, 'arguments'>, format: Schema): string {
  if (isNestedDeeper(Buffer.from(call.arguments), JSON_LEVELS_MAX)) return call.arguments;
  const args = parseToolArguments(call.arguments);
  return isOfObject(format) || !args.ok || !Object.hasOwn(args.value, 'answer') ? call.arguments : JSON.stringify(args.value['answer']);
}

/** How the function is explained to the model. */
export function answerPrompt(name: string): string {
  return `When the task is done, call ${name} with the final answer as JSON, and nothing beside it.`;
}

function isOfObject({ type }: Schema): boolean {
  return type === 'object';
}
