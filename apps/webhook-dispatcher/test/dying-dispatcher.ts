/** Attempts the deliveries of a database until it is killed, so that a test can kill a worker in the middle of an attempt. */
import { createEgress } from '@nightshift/http';
import { connect } from '@nightshift/postgres';
import { InProcessHints } from '@nightshift/run-stream';
import { createLog } from '@nightshift/runtime';
import { observeWork } from '@nightshift/service';
import { DeliveryLoop } from '../src/delivery.loop.ts';
import { DeliveryStore } from '../src/delivery.store.ts';

const url = process.argv[2];
if (url === undefined) throw new Error('usage: dying-dispatcher.ts <database url>');
const log = createLog({ level: 'silent', format: 'json' });
const db = connect({ url, max: 2, name: 'dying', onError: (err) => console.error(err) });
const loop = new DeliveryLoop({
  db,
  deliveries: new DeliveryStore(db),
  keys: { current: Buffer.alloc(32).toString('base64') },
  egress: createEgress({ allow: ['127.0.0.0/8'] }),
  hints: new InProcessHints(),
  slots: 10,
  laneMax: 10,
  leaseMs: 2000,
  timeoutMs: 60_000,
  retrySeconds: [1],
  onGone: () => undefined,
  observer: observeWork('delivery', log),
  log,
});
loop.start();
