const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether JSON text in UTF-8 nests lists and objects more than `levelsMax` levels deep. Each byte is looked at once, and nothing is parsed. */
export function isNestedDeeper(json: Uint8Array, levelsMax: number): boolean {
  let levels = 0;
  let isText = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] as number;
    if (byte === QUOTE) isText = !isText;
    else if (isText) at += byte === BACKSLASH ? 1 : 0;
    // `[` and `{` differ in one bit, and so do `]` and `}`.
    else if ((byte | 0x20) === 0x7b && (levels += 1) > levelsMax) return true;
    else if ((byte | 0x20) === 0x7d) levels -= 1;
  }
  return false;
}
