import { loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment, runService } from '@nightshift/service';
import { buildRuns, RunsEnvironment } from './index.ts';

const environment = loadConfig(ClusterEnvironment.extend(RunsEnvironment.shape), 'runs');
await runService('runs', environment, (around) => buildRuns(environment, around));
