import { PoolName, SHARED_POOL } from '@nightshift/contracts';
import { z } from 'zod';
import { List } from './list.ts';

/** The base URLs of a pool's processes; none where they are not known. */
export type UrlsOf = (pool: string) => readonly string[];

const EVERY_OTHER = '*';
const Entry = z.string().transform((text, ctx) => {
  const [pool = '', url = ''] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
  if (pool !== EVERY_OTHER && !(PoolName.safeParse(pool).success && pool !== SHARED_POOL)) ctx.addIssue({ code: 'custom', message: `"${text}" must be <pool>=<base URL>, with * for every other pool` });
  else if (!URL.canParse(url.replaceAll('{pool}', '1')) || !/^https?:/.test(url)) ctx.addIssue({ code: 'custom', message: `"${text}" must name an http or https URL` });
  return { pool, url };
});

/** Where the processes of dedicated pools are: `acme=http://10.0.0.7:8080,*=http://engine-{pool}:8080`. */
export const PoolUrls = List.pipe(z.array(Entry)).transform((entries): UrlsOf => (pool) => {
  const named = entries.filter((entry) => entry.pool === pool);
  const found = named.length > 0 ? named : entries.filter((entry) => entry.pool === EVERY_OTHER);
  return found.map(({ url }) => url.replaceAll('{pool}', pool));
});
