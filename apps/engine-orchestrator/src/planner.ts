import { z } from 'zod';
import type { ModelTool } from './model.ts';

/** The names of our own functions, by which the model plans and answers: they stand beside the run's tools and never show as tool calls. */
export interface OwnNames {
  readonly open: string;
  readonly conclude: string;
  /** In a run whose answer has a format. */
  readonly answer?: string;
}

/** What our functions are called, unless a tool of the run has the name. */
export const OPEN = 'open_subtasks';
export const CONCLUDE = 'conclude_subtask';
export const ANSWER = 'give_answer';

const SUBTASKS_MAX = 50;

/** What `open` is called with. */
export const OpenSubtasks = z.object({
  subtasks: z
    .array(z.object({ title: z.string().min(1).max(200), thought: z.string().max(4000).optional() }))
    .min(1)
    .max(SUBTASKS_MAX),
});

/** What `conclude` is called with. */
export const ConcludeSubtask = z.object({ conclusion: z.string().min(1) });

/** Names that no tool of the run has. */
export function ownNames(tools: Iterable<string>, hasFormat: boolean): OwnNames {
  const taken = new Set(tools);
  const free = (name: string): string => (taken.has(name) ? free(`${name}_`) : name);
  return { open: free(OPEN), conclude: free(CONCLUDE), ...(hasFormat && { answer: free(ANSWER) }) };
}

/** Whether a call means one of our own functions. */
export function isOwn({ open, conclude, answer }: OwnNames, name: string): boolean {
  return name === open || name === conclude || name === answer;
}

/** The planning functions as they are offered to the model. */
export function planOffers({ open, conclude }: OwnNames): ModelTool[] {
  const text = { type: 'string' };
  const subtask = { type: 'object', properties: { title: text, thought: { type: 'string', description: 'How you will go about it.' } }, required: ['title'] };
  return [
    {
      name: open,
      description: `Splits the open task into subtasks, which you then work on one after the other. Each ends with ${conclude}. They may be split again.`,
      parameters: { type: 'object', properties: { subtasks: { type: 'array', items: subtask, minItems: 1, maxItems: SUBTASKS_MAX } }, required: ['subtasks'] },
    },
    {
      name: conclude,
      description: 'Ends the open subtask. Its steps are forgotten soon: the conclusion has to hold everything that you will need of it.',
      parameters: { type: 'object', properties: { conclusion: text }, required: ['conclusion'] },
    },
  ];
}

/** How they are explained to the model. */
export function planPrompt({ open, conclude }: OwnNames): string {
  return `Work of more than a few steps goes best in parts: split it with ${open}, work on the open subtask, end it with ${conclude}, and so on until you can answer.`;
}
