/** One cycle for each set of nodes that reach each other: the shortest through its first node, which is not repeated at the end. */
export function findCycles(edges: ReadonlyMap<string, Iterable<string>>): string[][] {
  const cycles: string[][] = [];
  const settled = new Set<string>();
  for (const node of [...edges.keys()].sort()) {
    if (settled.has(node)) continue;
    const cycle = shortestCycle(node, edges);
    if (cycle === null) continue;
    cycles.push(cycle);
    for (const member of reachable(node, edges)) if (reachable(member, edges).has(node)) settled.add(member);
  }
  return cycles;
}

function shortestCycle(start: string, edges: ReadonlyMap<string, Iterable<string>>): string[] | null {
  const seen = new Set<string>();
  let paths = [[start]];
  while (paths.length > 0) {
    const longer: string[][] = [];
    for (const path of paths) {
      for (const next of edges.get(path.at(-1) ?? start) ?? []) {
        if (next === start) return path;
        if (!seen.has(next)) longer.push([...path, next]);
        seen.add(next);
      }
    }
    paths = longer;
  }
  return null;
}

function reachable(start: string, edges: ReadonlyMap<string, Iterable<string>>): Set<string> {
  const found = new Set<string>([start]);
  for (const node of found) for (const next of edges.get(node) ?? []) found.add(next);
  return found;
}
