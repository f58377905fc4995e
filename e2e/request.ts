import { randomUUID } from 'node:crypto';

/** What the fake model does for a run; the fields are those of the testing library's `FakeScript`, as its directive spells them. */
export type Script = {
  /** Names the run in the records of the fake model. */
  run?: string;
  tools?: number;
  /** `2x3`: two subtasks of three subtasks each, among which the tools are shared out. */
  plan?: string;
  parallel?: number;
  tool?: string;
  delay?: number;
  /** Milliseconds between the pieces of a reply. */
  pace?: number;
  think?: string;
  /** Said before the calls of a turn. */
  say?: string;
  answer?: string;
  /** What is answered at first, `wrongs` times. */
  wrong?: string;
  wrongs?: number;
  echo?: 1;
  big?: number;
  nul?: 1;
  badargs?: 1;
  /** `503x2`: the first two requests are answered with 503. */
  fail?: string;
  retry?: number;
  /** So many requests are never answered, so that only a cancel, a deadline or a kill ends the run. */
  hang?: number;
};

/** What a request may hold beside its script. */
export type More = { engine?: string; input?: object; output?: object; options?: object };

/** Instructions that tell the fake model what to do. */
export function instructionsOf(script: Script): string {
  const fields = Object.entries({ run: randomUUID(), ...script }).map(([name, value]) => `${name}:${typeof value === 'string' ? JSON.stringify(value) : value}`);
  return `Do what the script says. [[${fields.join(' ')}]]`;
}

/** A body of `POST /v1/runs`. */
export function request(script: Script = {}, { input, ...more }: More = {}) {
  return { engine: 'tim-gpt', input: { instructions: instructionsOf(script), ...input }, ...more };
}

/** A function tool in its flat spelling, which takes a city. */
export function functionTool(name: string, url: string, more: object = {}) {
  return {
    type: 'function', name, description: `Knows the ${name}`, url, method: 'POST',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, ...more,
  };
}
