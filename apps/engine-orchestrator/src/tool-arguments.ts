import { cleanJson, cleanText } from '@nightshift/std';

export type ToolArguments = { readonly ok: true; readonly value: Record<string, unknown> } | { readonly ok: false; readonly message: string };

/** The object a model's raw argument text stands for, its texts cleaned again, since an escaped NUL passes the cleaning of the raw text; no text at all is no arguments. The message of a refusal is for the model. */
export function parseToolArguments(text: string): ToolArguments {
  if (text.trim() === '') return { ok: true, value: {} };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return { ok: false, message: cleanText(`The arguments are not valid JSON: ${(error as Error).message}`) };
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return { ok: false, message: 'The arguments have to be a JSON object.' };
  return { ok: true, value: cleanJson(parsed) as Record<string, unknown> };
}
