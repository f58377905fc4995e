import { loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment, runService } from '@nightshift/service';
import { buildToolExecutor, ToolEnvironment } from './index.ts';

const environment = loadConfig(ClusterEnvironment.extend(ToolEnvironment.shape), 'tool-executor');
await runService('tool-executor', environment, (around) => buildToolExecutor(environment, around));
