/** Spellings of hosts, by what they do, that stand for the IPv4 address `a.b.c.d`. The first kind leads there; the rest only might, by a gateway on the way. */
export function disguises(a: number, b: number, c: number, d: number): { readonly direct: readonly (readonly [string, string])[]; readonly translated: readonly (readonly [string, string])[] } {
  const all = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number, digits = 0) => value.toString(16).padStart(digits, '0');
  const octal = (value: number) => `0${value.toString(8)}`;
  const plain = `${a}.${b}.${c}.${d}`;
  const high = hex(a * 256 + b);
  const low = hex(c * 256 + d);
  return {
    direct: [
      ['plain', plain],
      ['decimal', `${all}`],
      ['hexadecimal', `0x${hex(all)}`],
      ['capital hexadecimal', `0X${hex(all).toUpperCase()}`],
      ['octal', octal(all)],
      ['octal with many zeros', `000000${octal(all)}`],
      ['octal parts', [a, b, c, d].map(octal).join('.')],
      ['hexadecimal parts', [a, b, c, d].map((part) => `0x${hex(part)}`).join('.')],
      ['mixed parts', `${octal(a)}.0x${hex(b)}.${c}.${d}`],
      ['three parts', `${a}.${b}.${c * 256 + d}`],
      ['two parts', `${a}.${(b * 256 + c) * 256 + d}`],
      ['trailing dot', `${plain}.`],
      ['user', `example.com@${plain}`],
      ['user and password', `example.com:443@${plain}`],
      ['percent-encoded', [...plain].map((character) => `%${hex(character.charCodeAt(0))}`).join('')],
      ['full-width digits', [...plain].map((character) => (character === '.' ? '.' : String.fromCharCode(character.charCodeAt(0) + 0xfee0))).join('')],
      ['ideographic dots', plain.replaceAll('.', '。')],
      ['full-width dots', plain.replaceAll('.', '．')],
      ['circled digits', plain.replaceAll('1', '①').replaceAll('2', '②')],
      ['soft hyphens', plain.split('').join('\u00ad')],
      ['tabs and line breaks', plain.split('').join('\t\n')],
    ],
    translated: [
      ['mapped IPv6', `[::ffff:${plain}]`],
      ['mapped IPv6 in hexadecimal', `[::ffff:${high}:${low}]`],
      ['mapped IPv6 in full', `[0000:0000:0000:0000:0000:ffff:${high}:${low}]`],
      ['compatible IPv6', `[::${plain}]`],
      ['translated IPv6', `[::ffff:0:${plain}]`],
      ['NAT64', `[64:ff9b::${plain}]`],
      ['NAT64 in hexadecimal', `[64:ff9b::${high}:${low}]`],
      ['local NAT64', `[64:ff9b:1::${plain}]`],
      ['6to4', `[2002:${high}:${low}::]`],
      ['6to4 with a host', `[2002:${high}:${low}::1]`],
      ['Teredo', `[2001:0:${high}:${low}::1]`],
      ['ISATAP', `[fe80::5efe:${plain}]`],
      ['ISATAP of a public prefix', `[2a00:1450::5efe:${plain}]`],
    ],
  };
}
