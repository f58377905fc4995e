import { parseSync } from '@swc/core';

/** What of a source file matters for boundaries. */
export interface SourceFacts {
  /** Every module the file names: imports, re-exports, dynamic imports and types taken by `import('…')`. */
  readonly specifiers: readonly string[];
  /** True if the file does nothing but pass on what others export. */
  readonly barrel: boolean;
  /** True if it passes on everything of another module without naming it. */
  readonly exportsAll: boolean;
}

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Reads the imports of one TypeScript source. Throws if it cannot be parsed. */
export function readImports(source: string): SourceFacts {
  const { body } = parseSync(source, { syntax: 'typescript', decorators: true, target: 'es2022' });
  const specifiers = new Set<string>();
  visit(body, specifiers);
  return {
    specifiers: [...specifiers],
    barrel: body.length > 0 && body.every((statement) => isReExport(statement)),
    exportsAll: body.some(({ type }) => type === 'ExportAllDeclaration'),
  };
}

function isReExport(statement: { type: string; source?: unknown }): boolean {
  return statement.type === 'ExportAllDeclaration' || (statement.type === 'ExportNamedDeclaration' && Boolean(statement.source));
}

function visit(value: unknown, specifiers: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, specifiers);
  } else if (isNode(value)) {
    const named = namedModule(value);
    if (named !== null) specifiers.add(named);
    for (const field of Object.values(value)) if (typeof field === 'object') visit(field, specifiers);
  } else if (typeof value === 'object' && value !== null) {
    for (const field of Object.values(value)) if (typeof field === 'object') visit(field, specifiers);
  }
}

function namedModule(node: Node): string | null {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
      return literal(node['source']);
    case 'TsImportType':
      return literal(node['argument']);
    case 'CallExpression':
      return (node['callee'] as Node).type === 'Import' ? literal((node['arguments'] as { expression: unknown }[])[0]?.expression) : null;
    default:
      return null;
  }
}

function literal(value: unknown): string | null {
  return isNode(value) && value.type === 'StringLiteral' ? String(value['value']) : null;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}
