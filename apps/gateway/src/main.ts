import { loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment, runService } from '@nightshift/service';
import { buildGateway, GatewayEnvironment, listenAdmin } from './index.ts';

const environment = loadConfig(ClusterEnvironment.extend(GatewayEnvironment.shape), 'gateway');
await runService('gateway', environment, (around) => buildGateway(environment, around), { listen: async (service, around) => void (await listenAdmin(service, environment, around)) });
