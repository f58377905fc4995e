import { once } from 'node:events';
import { createDeflate } from 'node:zlib';

/** A PDF of one page with one line of text. */
export function pdf(line: string): Buffer {
  return document(Buffer.from(`BT /F1 24 Tf 72 720 Td (${line}) Tj ET`));
}

/** A PDF of a few hundred KiB whose page unpacks to so many MiB of nothing. It is made without holding them. */
export async function pdfBomb(mebibytes: number): Promise<Buffer> {
  const deflate = createDeflate();
  const packed: Buffer[] = [];
  deflate.on('data', (chunk: Buffer) => packed.push(chunk));
  const blanks = Buffer.alloc(1024 * 1024, ' ');
  for (let left = mebibytes; left > 0; left -= 1) if (!deflate.write(blanks)) await once(deflate, 'drain');
  deflate.end();
  await once(deflate, 'end');
  return document(Buffer.concat(packed), '/Filter /FlateDecode');
}

function document(content: Buffer, filter = ''): Buffer {
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>',
    Buffer.concat([Buffer.from(`<< /Length ${content.length} ${filter} >>\nstream\n`), content, Buffer.from('\nendstream')]),
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    '<< /Title (Report) >>',
  ];
  const parts = [Buffer.from('%PDF-1.4\n')];
  const offsets: number[] = [];
  let size = 9;
  for (const [index, object] of objects.entries()) {
    const part = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), Buffer.from(object as string), Buffer.from('\nendobj\n')]);
    offsets.push(size);
    parts.push(part);
    size += part.length;
  }
  const table = offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('');
  parts.push(Buffer.from(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 6 0 R >>\nstartxref\n${size}\n%%EOF`));
  return Buffer.concat(parts);
}
