import { loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment, runService } from '@nightshift/service';
import { buildEngineOrchestrator, EngineEnvironment } from './index.ts';

const environment = loadConfig(ClusterEnvironment.extend(EngineEnvironment.shape), 'engine-orchestrator');
const graceMs = Math.max(environment.SHUTDOWN_GRACE_MS, environment.TURN_DRAIN_MS);
await runService('engine-orchestrator', environment, (around) => buildEngineOrchestrator(environment, around), { graceMs });
