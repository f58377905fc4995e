/**
 * The start of a well-formed text with a marker that says how much of it there is (`totalBytes`); at most `jsonBytesMax`
 * bytes as a JSON string, the marker included.
 */
export function cutText(text: string, totalBytes: number | string, jsonBytesMax: number): string {
  const marker = (kept: number) => `…[truncated: ${kept} of ${totalBytes} bytes]`;
  const kept = text.slice(0, fittingLength(text, jsonBytesMax - Buffer.byteLength(JSON.stringify(marker(Buffer.byteLength(text))))));
  return kept + marker(Buffer.byteLength(kept));
}

/** How many UTF-16 units of a well-formed text fit into `jsonBytesMax` bytes of JSON, never half a pair. */
function fittingLength(text: string, jsonBytesMax: number): number {
  let bytes = 0;
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? asciiJsonBytes(code) : Buffer.byteLength(character);
    if (bytes > jsonBytesMax) break;
    length += character.length;
  }
  return length;
}

function asciiJsonBytes(code: number): number {
  if (code === 0x22 || code === 0x5c) return 2;
  if (code >= 0x20) return 1;
  return '\b\t\n\f\r'.includes(String.fromCharCode(code)) ? 2 : 6;
}
