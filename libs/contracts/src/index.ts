export { AppError, type ErrorCode, ERRORS, wireCode } from './errors.ts';
export type { OutgoingEvent } from './events/outgoing-event.ts';
export { RunCommanded, type RunStart, type RunStop } from './events/run-commanded.ts';
export { FinishedBody, RunFinished } from './events/run-finished.ts';
export { RunOutcome, RunProgressed } from './events/run-progressed.ts';
export { type ToolCall, ToolCommanded } from './events/tool-commanded.ts';
export { TOOL_IMAGE_BYTES_MAX, TOOL_RESULT_BYTES_MAX, ToolCompleted, ToolResult } from './events/tool-completed.ts';
export { UsageRecorded } from './events/usage-recorded.ts';
export { ALL_SCOPES, ApiKey, ChangedOrg, CreateKey, CreateOrg, CreatedKey, KeyList, Org, OrgList, RateLimits, Scope, UpdateOrg } from './http/admin.ts';
export { AgentChat, AsyncChatRequest, type ChatMessage, type ChatPart, RequestAccepted, RequestList, RequestView } from './http/agent-chat.ts';
export { ChatCompletion, ChatRequest, CompletionRequest, InternalChat, TextCompletion } from './http/chat.ts';
export { DeadLetter, DeadLetterCommand, DeadLetterCount, DeadLetterList, InternalRedrive, InternalRedriven, ListDeadLetters } from './http/dead-letter.ts';
export { ContentBlock, IMAGE_BASE64_CHARS_MAX, RunContent, runContentOf } from './http/content.ts';
export {
  Delivery,
  DeliveryAttempt,
  DeliveryCount,
  DeliveryDetail,
  DeliveryFilter,
  DeliveryList,
  DeliveryStatus,
  EndpointList,
  EndpointStatistics,
  ListDeadDeliveries,
  ListDeliveries,
  Redeliver,
} from './http/delivery.ts';
export { DEFAULT_ENGINES, Engine, EnginesFile, findEngine, Model, ModelList, type PlainModel, plainModelOf, plainModels, ReasoningEffort, RunLimits, Upstream } from './http/engine.ts';
export { ErrorBody } from './http/error.ts';
export {
  CatchUpQuery,
  FinishedPage,
  type MissedFinish,
  InternalCall,
  InternalCreateRun,
  InternalDurations,
  InternalOutcome,
  InternalReplay,
  InternalReplayed,
  InternalRunCreated,
  InternalRunEngines,
  InternalRunIds,
  InternalRunRequest,
  InternalRunsAsked,
  InternalToolResult,
  OrgScope,
  Readiness,
  UsagePage,
} from './http/internal.ts';
export { InternalMcpListings, InternalMcpQuestion, McpListing, McpOffer } from './http/mcp.ts';
export {
  InternalCreateSubscription,
  InternalFinishedBodies,
  InternalFinishedRuns,
  InternalListDeliveries,
  InternalRedeliver,
  InternalRedelivered,
  InternalRedeliveredMany,
  InternalRedeliverMany,
  InternalRotateSecret,
  InternalSendCanary,
  InternalSetEgress,
  InternalSubscriptionCreated,
  InternalTestSubscription,
  InternalUpdateSubscription,
} from './http/internal-webhook.ts';
export { InternalPools, InternalQueues, Pool, PoolList, PoolName, ServedCatalogue, servedCatalogue, ServedPool, SHARED_POOL, Waiting } from './http/pool.ts';
export { aliasesOf, PLATFORM_TOOL_SPECS, PLATFORM_TOOLS, platformParameters, type PlatformToolId, platformToolOf } from './http/platform-tool.ts';
export {
  AnswerEncoding,
  CreateRun,
  isTerminal,
  ListRuns,
  RUN_STATUSES,
  RunAccepted,
  RunError,
  RunList,
  RunRequest,
  RunResult,
  RunStatus,
  RunUsage,
  RunView,
  StepUsage,
  Task,
  WaitRun,
} from './http/run.ts';
export { Frame, FrameEnd, FrameHeads, FrameHeadsQuery, type FrameKind, FramesPage, FramesQuery, LeaveQuery, StreamQuery } from './http/run-frame.ts';
export {
  AnyTool,
  BuiltInTool,
  CredentialNames,
  InternalResolvedTools,
  InternalResolveTools,
  InternalSaveTool,
  InternalTestTool,
  InternalToolSaved,
  InternalUpdateTool,
  SavedTool,
  SaveTool,
  TestTool,
  ToolList,
  ToolTest,
  UpdateTool,
} from './http/saved-tool.ts';
export { FunctionTool, McpTool, PlatformTool, SealedFunctionTool, SealedMcpTool, SealedTool, Tool, ToolCredentials, toolTimeoutMs } from './http/tool.ts';
export { ToolBlock, ToolResponse } from './http/tool-response.ts';
export {
  CanarySent,
  CreateSubscription,
  RotateSecret,
  SendCanary,
  Subscription,
  SubscriptionList,
  UpdateSubscription,
  WebhookEventType,
  WebhookFilters,
} from './http/webhook.ts';
export { TokensWait, TokensWaitQuery, UsageQuery, UsageReport, type UsageTotals } from './http/usage.ts';
export { EVENT_BODY_BYTES_MAX, type Payload, poolOfTopic, type Topic, TOPIC_PARTITIONS, topicName, topicOf, TOPICS } from './topics.ts';
