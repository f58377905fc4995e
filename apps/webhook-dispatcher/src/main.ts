import { loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment, runService } from '@nightshift/service';
import { buildWebhookDispatcher, WebhookEnvironment } from './index.ts';

const environment = loadConfig(ClusterEnvironment.extend(WebhookEnvironment.shape), 'webhook-dispatcher');
await runService('webhook-dispatcher', environment, (around) => buildWebhookDispatcher(environment, around));
