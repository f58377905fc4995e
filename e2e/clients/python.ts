import { beforeAll } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

const run = promisify(execFile);
const pydantic = '2.14.3';

export type SeenRun = { runId: string; status: string | null; answer: unknown; hasReasoning: boolean; hasUsage: boolean };
export type SeenError = { name: string; code: string | null; status: number | null; details: unknown; message: string };
/** What `run.py` prints. */
export type StructuredReport = { status: string; answer: unknown; parsed: unknown };
export type PythonReport = {
  runId: string;
  firstLook: SeenRun;
  waited: SeenRun;
  awaited: SeenRun;
  canceled: SeenRun;
  canceledAgain: SeenRun;
  errors: Record<'badKey' | 'unknownRun' | 'unknownCancel' | 'badRequest' | 'unknownEngine', SeenError | null>;
};

/**
 * The interpreter of a virtual environment that holds this version of a package, and Pydantic. It is made once per machine
 * in the user's cache folder, beside its place and then renamed, so that two clones never see a half-made one.
 */
async function pythonWith(name: string, version: string): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const home = join(cache, 'nightshift', 'python', `${name}-${version}-pydantic-${pydantic}`);
  const interpreter = join(home, 'bin', 'python');
  if (existsSync(interpreter)) return interpreter;
  mkdirSync(dirname(home), { recursive: true });
  const draft = mkdtempSync(`${home}.`);
  try {
    await run('python3', ['-m', 'venv', draft]);
    await run(join(draft, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', `${name}==${version}`, `pydantic==${pydantic}`]);
    renameSync(draft, home);
  } catch (err) {
    rmSync(draft, { recursive: true, force: true });
    if (existsSync(interpreter)) return interpreter;
    const reason = String((err as { stderr?: string }).stderr || err).trim().split('\n').at(-1);
    throw new Error(
      `The Python client tests need python3 with venv and pip (Debian: apt install python3-venv python3-pip) and a package index: ${reason}`,
      { cause: err },
    );
  }
  return interpreter;
}

/** The released versions of subconscious-sdk that have to work. */
export const PYTHON_VERSIONS = ['1.0.0', '0.3.0'] as const;

const SDK = 'subconscious-sdk';
const OPENAI = 'openai';
const OPENAI_VERSION = '3.54.0';
const INSTALL_MS = 600_000;

/** Before the tests of a file: installs what is missing, which takes minutes where the package index is slow. */
export function havePython(): void {
  beforeAll(() => Promise.all(PYTHON_VERSIONS.map((version) => pythonWith(SDK, version))), INSTALL_MS);
}

/** The same for the package `openai`. */
export function haveOpenAi(): void {
  beforeAll(() => pythonWith(OPENAI, OPENAI_VERSION), INSTALL_MS);
}

/** Runs the driver with one version of the package and gives back what it saw. */
export function drivePython(
  version: string,
  { baseUrl, apiKey, ...given }: { baseUrl: string; apiKey: string; instructions: string; slowInstructions: string; tools: unknown[]; answerFormat?: object },
): Promise<PythonReport> {
  return drive([SDK, version], 'run.py', [baseUrl, apiKey], given);
}

/** What `stream.py` prints of each stream. */
export type StreamReport = { types: string[]; last: string; text: string; error: { message: string; code: string | null } | null };

/** Streams one run after the other; leaves the last one after its first text. */
export function streamPython(version: string, { baseUrl, apiKey, ...given }: { baseUrl: string; apiKey: string; instructions: string[]; tools: unknown[] }): Promise<StreamReport[]> {
  return drive([SDK, version], 'stream.py', [baseUrl, apiKey], given);
}

/** Asks for an answer in the format of a Pydantic model, and reads it back into one. */
export function drivePydantic(version: string, { baseUrl, apiKey, instructions }: { baseUrl: string; apiKey: string; instructions: string }): Promise<StructuredReport> {
  return drive([SDK, version], 'structured.py', [baseUrl, apiKey], { instructions });
}

/** What `plain_chat.py` prints. */
export type ChatReport = {
  text: string;
  streamed: string;
  usage: number;
  loop: string;
  parsed: unknown;
  helper: string;
  async: string[];
  retried: string;
  errors: Record<'unknownModel' | 'badRequest' | 'badKey' | 'limited' | 'down', string>;
  models: string[];
  legacy: string;
};

/** Has the package `openai` call a model plainly in all its ways; `scripts` are what the model is asked for each. */
export function drivePlainChat({ baseUrl, apiKey, ...given }: { baseUrl: string; apiKey: string; model: string; scripts: Record<string, string> }): Promise<ChatReport> {
  return drive([OPENAI, OPENAI_VERSION], 'plain_chat.py', [baseUrl, apiKey], given);
}

/** What `agent_chat.py` prints. */
export type AgentChatReport = { whole: unknown; totalTokens: number; streamed: unknown; async: unknown; submitted: string; failed: unknown; failedStream: unknown };

/** Has the package `openai` work with an engine in all its ways. */
export function driveAgentChat({ baseUrl, apiKey, ...given }: { baseUrl: string; apiKey: string; instructions: string; failing: string; tools: unknown[] }): Promise<AgentChatReport> {
  return drive([OPENAI, OPENAI_VERSION], 'agent_chat.py', [baseUrl, apiKey], given);
}

async function drive<Report>([name, version]: readonly [string, string], script: string, args: readonly string[], given: object): Promise<Report> {
  const child = spawn(await pythonWith(name, version), [new URL(script, import.meta.url).pathname, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(JSON.stringify(given));
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new Error(`${script} with ${name} ${version} ended with ${code}:\n${err}`);
  return JSON.parse(out) as Report;
}
