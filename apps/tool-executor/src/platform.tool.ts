import { aliasesOf, type BuiltInTool, PLATFORM_TOOL_SPECS, platformParameters, type PlatformToolId, platformToolOf, type SealedTool, type ToolResult } from '@nightshift/contracts';
import type { Egress } from '@nightshift/http';
import { calculate } from './calculator.tool.ts';
import type { Documents } from './documents.client.ts';
import { failureResult } from './function-call.ts';
import { readPage } from './page-reader.tool.ts';
import type { SearchClient } from './search.client.ts';
import { callSearch, searchProblem } from './search.tool.ts';

/** One call of a built-in tool. */
export interface PlatformCall {
  readonly tool: Extract<SealedTool, { type: 'platform' }>;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly orgId: string;
  readonly signal: AbortSignal;
  /** CIDRs the organisation may reach besides the operator's own. */
  readonly allow: readonly string[];
}

/** What the arguments of any built-in tool can hold, once they are checked. */
interface Arguments {
  readonly expression?: string;
  readonly url?: string;
  readonly start?: number;
  readonly query?: string;
  readonly max_results?: number;
}

/** The built-in tools as this process has them. */
export class PlatformTools {
  readonly #egress: Egress;
  readonly #documents: Documents;
  readonly #search: SearchClient;

  constructor(egress: Egress, documents: Documents, search: SearchClient) {
    this.#egress = egress;
    this.#documents = documents;
    this.#search = search;
  }

  /** Every built-in tool, and whether it can be used. */
  list(): BuiltInTool[] {
    return (Object.keys(PLATFORM_TOOL_SPECS) as PlatformToolId[]).map((id) => this.#show(id));
  }

  /** The built-in tool that an id stands for; undefined for any other id. */
  get(id: string): BuiltInTool | undefined {
    const builtIn = platformToolOf(id);
    return builtIn && this.#show(builtIn);
  }

  #show(id: PlatformToolId): BuiltInTool {
    const reason = searchProblem(id, this.#search);
    return { id, type: 'platform', description: PLATFORM_TOOL_SPECS[id].description, parameters: platformParameters(id), aliases: aliasesOf(id), available: reason === undefined, ...(reason !== undefined && { reason }) };
  }

  /** Calls a built-in tool; the tool's options win over the arguments. Rejects with EgressError `aborted` or the reason of `signal` when the call is given up. */
  async call({ tool, arguments: given, ...call }: PlatformCall): Promise<ToolResult> {
    const id = platformToolOf(tool.id);
    const reason = id === undefined ? 'this server does not know it' : searchProblem(id, this.#search);
    if (id === undefined || reason !== undefined) return failureResult('not_available', `The tool "${tool.id}" is not available on this server: ${reason}.`);
    const args = PLATFORM_TOOL_SPECS[id].arguments.safeParse({ ...given, ...tool.options });
    if (!args.success) return failureResult('invalid_arguments', args.error.issues.map((issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`).join('; '));
    return this.#make(id, args.data as Arguments, call);
  }

  #make(id: PlatformToolId, args: Arguments, call: Pick<PlatformCall, 'orgId' | 'signal' | 'allow'>): Promise<ToolResult> | ToolResult {
    if (id === 'calculator') return calculate(args.expression ?? '');
    if (id === 'page_reader') return readPage(this.#egress, this.#documents, { url: args.url ?? '', start: args.start, ...call });
    return callSearch(this.#search, id, { text: args.query ?? args.url ?? '', count: args.max_results }, call.signal);
  }
}
