import { loadConfig } from '@nightshift/runtime';
import { ClusterEnvironment, runService } from '@nightshift/service';
import { BillingEnvironment, buildBilling } from './index.ts';

const environment = loadConfig(ClusterEnvironment.extend(BillingEnvironment.shape), 'billing');
await runService('billing', environment, (around) => buildBilling(environment, around));
