import type { Task } from '@nightshift/contracts';
import { resultsOf } from './prompt.ts';
import type { JournalEntry } from './session.ts';
import { parseToolArguments } from './tool-arguments.ts';

/** The agent's steps as clients see them: one task for each tool call, and one for a turn that only thought. */
export function tasksOf(journal: readonly JournalEntry[]): Task[] {
  const results = resultsOf(journal);
  return journal.flatMap((entry): Task[] => {
    if (entry.kind !== 'turn') return [];
    if (entry.calls.length === 0) return entry.reasoning === undefined ? [] : [{ title: 'Answer', thought: entry.reasoning }];
    const thought = [entry.reasoning, entry.content].filter((text) => text !== undefined && text !== '').join('\n');
    return entry.calls.map((call, index): Task => {
      const result = results.get(call.callId);
      const args = parseToolArguments(call.arguments);
      return {
        title: `Call ${call.name}`,
        ...(index === 0 && thought !== '' && { thought }),
        tooluse: { tool_name: call.name, tool_call_id: call.callId, parameters: args.ok ? args.value : {}, ...(result && { tool_result: result.isError ? { error: result.content } : result.content }) },
      };
    });
  });
}
