const RESERVED = new Set(['content-type', 'content-encoding']);

/** Which of lower-case header names belong to webhooks themselves. */
export function reservedNames(names: readonly string[]): string[] {
  return names.filter((name) => RESERVED.has(name) || name.startsWith('x-webhook-') || name.startsWith('webhook-'));
}
