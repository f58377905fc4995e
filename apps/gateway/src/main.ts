import { loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment, runService } from '@nightshift/service';
import { buildGateway, GatewayEnvironment, listenAdmin } from './index.ts';

const environment = loadConfig(ClusterEnvironment.extend(GatewayEnvironment.shape), 'gateway');
const graceMs = Math.max(environment.SHUTDOWN_GRACE_MS, environment.STREAM_DRAIN_MS);
await runService('gateway', environment, (around) => buildGateway(environment, around), { listen: async (service, around) => void (await listenAdmin(service, environment, around)), graceMs });
