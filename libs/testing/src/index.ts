export { type TestDatabase, testDatabase } from './database.ts';
export { type CollectedSpan, type FakeCollector, startFakeCollector } from './fake-collector.ts';
export { type EndpointRequest, type FakeEndpoint, startFakeEndpoint } from './fake-endpoint.ts';
export { type FakeModel, type FakeModelRecord, type FakeModelRun, startFakeModel } from './fake-model.ts';
export { type Infrastructure, infrastructure } from './infrastructure.ts';
export { type McpRequest, type McpServerSetup, startMcpServer, type TestMcpServer } from './mcp-server.ts';
export { uniqueName, uniqueTopics } from './topics.ts';
export { waitFor } from './wait-for.ts';
export { wallMs } from './wall-ms.ts';
