export { type Announcements, catchUp } from './catch-up.ts';
export { acceptedTokens, CidrList, ClusterEnvironment, JsonFile, List, ProcessEnvironment } from './environment.ts';
export { keepTracesTogether } from './kept-traces.hints.ts';
export { retention } from './retention.ts';
export { runService } from './run-service.ts';
export { buildService, type Parts, type Service } from './service.ts';
export { clusterSurroundings, type Surroundings } from './surroundings.ts';
export { observeWork } from './work-observer.ts';
