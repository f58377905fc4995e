export { StandaloneEnvironment } from './config.ts';
