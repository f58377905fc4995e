import { AppError } from '@nightshift/contracts';

/** One thing that is wrong with a body or query, as any Standard Schema tells it. */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** 400 `invalid_request` with every field that is wrong. */
export function invalidRequest(issues: readonly Issue[]): AppError {
  return new AppError('invalid_request', {
    message: issues.map((issue) => `${pathOf(issue)}: ${issue.message}`).slice(0, 5).join('; '),
    details: { fields: Object.fromEntries(issues.slice(0, 50).map((issue) => [pathOf(issue), issue.message])) },
  });
}

function pathOf({ path = [] }: Issue): string {
  return path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'body';
}
