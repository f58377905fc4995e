import type { Tree } from './tree.ts';

/** Bytes of a tree: ours, and each package's, the largest first. */
export function sizesOf({ entries }: Pick<Tree, 'entries'>): { total: number; own: number; packages: [name: string, bytes: number][] } {
  const packages = new Map<string, number>();
  let own = 0;
  for (const { path, bytes } of entries) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (name === undefined) own += bytes;
    else packages.set(name, (packages.get(name) ?? 0) + bytes);
  }
  const sorted = [...packages].sort(([, one], [, other]) => other - one);
  return { total: own + sorted.reduce((sum, [, bytes]) => sum + bytes, 0), own, packages: sorted };
}

/** In MB of a million bytes, with one digit. */
export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
