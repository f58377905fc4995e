/** How often, and how, the first requests of a run go wrong; a request is one try of a turn. */
export type FakeFault = { readonly kind: 'status' | 'cut' | 'hang'; readonly times: number; readonly status: number };

/**
 * What the fake model does for a run, read out of the instructions, so that any process can answer any turn:
 * `[[tools:3 delay:5 answer:"well done"]]`. Without a directive it answers `ok`.
 */
export type FakeScript = {
  /** Turns that call tools before the answer (default 0). */
  readonly tools: number;
  /** `2x3`: two subtasks of three subtasks each are opened and concluded, and the turns that call tools are shared out among the inner ones. */
  readonly plan: readonly number[] | null;
  /** Calls in each of those turns, going round the offered tools (default 1). */
  readonly parallel: number;
  /** Name of the tool to call; by default the offered ones from the first on. */
  readonly tool: string | null;
  /** Milliseconds until each turn is answered. */
  readonly delay: number;
  /** Milliseconds between two pieces of a reply; 0: the whole reply at once. */
  readonly pace: number;
  /** Reasoning text before everything else of a turn. */
  readonly think: string;
  /** What is said before the calls of a turn. */
  readonly say: string;
  /** The answer is so many pieces, each the time in ms at which it was sent. */
  readonly clock: number;
  /** Completion tokens reported of every turn (default 20). */
  readonly tokens: number;
  readonly answer: string;
  /** What it answers at first, as often as `wrongs` says (default 1); then comes `answer`. */
  readonly wrong: string | null;
  readonly wrongs: number;
  /** The answer is the results of all tools, as a JSON list. */
  readonly echo: boolean;
  /** The answer is filled up to so many characters. */
  readonly big: number;
  /** The answer holds a NUL and a lone surrogate. */
  readonly nul: boolean;
  /** The arguments of tool calls are broken JSON. */
  readonly badArguments: boolean;
  /** No usage is reported. */
  readonly noUsage: boolean;
  /** What `fail:503x2`, `cut:1` or `hang:1` ask for. */
  readonly fault: FakeFault | null;
  /** Turn (from 0) that the fault is in (default 0). */
  readonly faultTurn: number;
  /** `Retry-After` in seconds of a failed request, sent when it is not null. */
  readonly retryAfter: string | null;
  /** What the records of the run are kept under (default: the text of its first user message). */
  readonly run: string;
};

export type FakeMessage = { role: string; content?: unknown; tool_calls?: unknown[] };
export type FakeRequest = {
  model?: string;
  stream?: boolean;
  messages?: FakeMessage[];
  tools?: { function: { name: string; parameters?: Record<string, unknown> } }[];
};

const directive = /\[\[(\w+:.*?)\]\]/s;
const field = /(\w+):("(?:[^"\\]|\\.)*"|\S+)/g;

/** The script of the run a request belongs to. */
export function scriptOf(request: FakeRequest): FakeScript {
  const texts = (request.messages ?? []).filter(({ role }) => role === 'user' || role === 'system').map(({ content }) => textOf(content));
  const found = texts.map((text) => directive.exec(text)?.[1]).find((text) => text !== undefined) ?? '';
  const fields = new Map(Array.from(found.matchAll(field), ([, name, value]) => [name, value?.startsWith('"') ? (JSON.parse(value) as string) : value]));
  const count = (name: string, byDefault: number) => Number(fields.get(name) ?? byDefault);
  const asked = request.messages?.find(({ role }) => role === 'user');
  return {
    tools: count('tools', 0),
    plan: fields.get('plan')?.split('x').map(Number) ?? null,
    parallel: count('parallel', 1),
    tool: fields.get('tool') ?? null,
    delay: count('delay', 0),
    pace: count('pace', 0),
    think: fields.get('think') ?? '',
    say: fields.get('say') ?? '',
    clock: count('clock', 0),
    tokens: count('tokens', 20),
    answer: fields.get('answer') ?? 'ok',
    wrong: fields.get('wrong') ?? null,
    wrongs: count('wrongs', 1),
    echo: fields.has('echo'),
    big: count('big', 0),
    nul: fields.has('nul'),
    badArguments: fields.has('badargs'),
    noUsage: fields.has('nousage'),
    fault: faultOf(fields),
    faultTurn: count('faultturn', 0),
    retryAfter: fields.get('retry') ?? null,
    run: fields.get('run') ?? textOf(asked?.content),
  };
}

function faultOf(fields: ReadonlyMap<string | undefined, string | undefined>): FakeFault | null {
  const [status, times = '1'] = (fields.get('fail') ?? '').split('x');
  if (status) return { kind: 'status', status: Number(status), times: Number(times) };
  for (const kind of ['cut', 'hang'] as const) {
    if (fields.has(kind)) return { kind, status: 0, times: Number(fields.get(kind)) };
  }
  return null;
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? '').join('') : '';
}

export type FakeCall = { readonly id: string; readonly name: string; readonly arguments: string };
export type FakeTurn = { readonly index: number; readonly text: string; readonly calls: readonly FakeCall[] };

type Act = { readonly kind: 'call' | 'conclude' } | { readonly kind: 'open'; readonly titles: readonly string[] };

/** What comes next. How many turns are done is told by the id of the last call, also where earlier messages were left out. */
export function nextTurn(script: FakeScript, request: FakeRequest): FakeTurn {
  const messages = request.messages ?? [];
  const index = turnsDone(messages);
  const act = script.plan === null ? index < script.tools && CALL : actsOf(script.plan, script.tools)[index];
  const offered = request.tools ?? [];
  const functions = offered.filter(({ function: { name } }) => !isOwn(name));
  if (!act || (functions.length === 0 && script.tool === null)) return { index, text: answerOf(script, messages), calls: [] };
  const id = (position: number) => `call_${index}_${position}`;
  if (act.kind !== 'call') {
    const prefix = act.kind === 'open' ? 'open_subtasks' : 'conclude_subtask';
    const given = act.kind === 'open' ? { subtasks: act.titles.map((title) => ({ title, thought: `I will do ${title}.` })) } : { conclusion: `concluded in turn ${index}` };
    return { index, text: '', calls: [{ id: id(0), name: offered.find(({ function: { name } }) => name.startsWith(prefix))?.function.name ?? prefix, arguments: JSON.stringify(given) }] };
  }
  const calls = Array.from({ length: script.parallel }, (_, position) => {
    const tool = offered.find((one) => one.function.name === script.tool) ?? functions[position % functions.length];
    const given = JSON.stringify(argumentsFor(tool?.function.parameters ?? {}, index * script.parallel + position));
    return { id: id(position), name: script.tool ?? tool?.function.name ?? '', arguments: script.badArguments ? given.slice(0, -1) : given };
  });
  return { index, text: script.say, calls };
}

const CALL: Act = { kind: 'call' };

/** The engine's own functions, which no script means by "a tool". */
function isOwn(name: string): boolean {
  return /^(open_subtasks|conclude_subtask|give_answer)_*$/.test(name);
}

function turnsDone(messages: readonly FakeMessage[]): number {
  const turns = messages.filter(({ role, tool_calls: calls }) => role === 'assistant' && (calls?.length ?? 0) > 0);
  const last = turns.at(-1)?.tool_calls?.[0] as { id?: string } | undefined;
  const told = /^call_(\d+)_/.exec(last?.id ?? '')?.[1];
  return told === undefined ? turns.length : Number(told) + 1;
}

/** The turns of a plan: each list of subtasks is opened, its tasks are done one after the other, and each is concluded. */
function actsOf([count, ...inner]: readonly number[], turns: number, name = 'part'): Act[] {
  if (count === undefined) return Array.from({ length: turns }, () => CALL);
  const titles = Array.from({ length: count }, (_, at) => `${name} ${at + 1}`);
  const share = (at: number) => Math.floor(((at + 1) * turns) / count) - Math.floor((at * turns) / count);
  return [{ kind: 'open', titles }, ...titles.flatMap((title, at): Act[] => [...actsOf(inner, share(at), title), { kind: 'conclude' }])];
}

function answerOf(script: FakeScript, messages: readonly FakeMessage[]): string {
  const told = messages.filter(({ role }) => role === 'tool').map(({ content }) => textOf(content));
  const given = messages.filter(({ role, tool_calls: calls }) => role === 'assistant' && (calls?.length ?? 0) === 0).length;
  const right = script.echo ? JSON.stringify(told) : script.answer;
  const answer = script.wrong !== null && given < script.wrongs ? script.wrong : right;
  return `${script.nul ? 'nul:\u0000 surrogate:\ud800 ' : ''}${answer.padEnd(script.big, `${answer} `)}`;
}

/** A value for each property of a tool's parameters: `step` is the number of the call within the run. */
function argumentsFor(parameters: Readonly<Record<string, unknown>>, step: number): Record<string, unknown> {
  const properties = Object.entries((parameters['properties'] ?? {}) as Record<string, Property>);
  return Object.fromEntries(properties.map(([name, property]) => [name, property.enum?.[0] ?? sample(property, step)]));
}

type Property = { type?: string; enum?: unknown[]; minimum?: number };

function sample({ type, minimum = 0 }: Property, step: number): unknown {
  if (type === 'number' || type === 'integer') return Math.max(minimum, step);
  if (type === 'boolean') return true;
  if (type === 'array') return [];
  return type === 'object' ? {} : `text ${step}`;
}
