/** Rows of text as columns that line up, under a head. The last column is as wide as it is. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) => row.map((text, column) => (column === head.length - 1 ? text : text.padEnd(widths[column] ?? 0))).join('  ').trimEnd();
  return [head, ...rows].map(line).join('\n');
}
