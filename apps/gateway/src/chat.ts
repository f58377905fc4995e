import { AppError, type ChatRequest } from '@nightshift/contracts';

/** No model has that id, on the chat surfaces. */
export function modelNotFound(model: string): AppError {
  return new AppError('model_not_found', { message: `There is no model "${model}"; GET /v1/models lists those that there are.` });
}

/** The tools of a plain call are functions that the client itself calls: nobody would call any others. */
export function assertClientTools(tools: ChatRequest['tools']): void {
  const at = (tools ?? []).findIndex(({ type }) => type !== 'function');
  if (at < 0) return;
  const problem = 'must be "function": models are called with tools that your program calls; those that the server calls work with engines';
  throw new AppError('invalid_request', { message: `tools.${at}.type: ${problem}`, details: { fields: { [`tools.${at}.type`]: problem } } });
}

/** An answer of engine-orchestrator as clients get it: an error names the request. */
export function withRequestId<A extends { readonly status: number; readonly body: unknown }>(answer: A, requestId: string): A {
  const { status, body } = answer;
  if (status < 400 || typeof body !== 'string') return answer;
  return { ...answer, body: JSON.stringify({ ...envelopeOf(body), requestId }) };
}

/** What stands between the services may answer too, in its own words. */
function envelopeOf(body: string): object {
  try {
    return JSON.parse(body) as object;
  } catch (err) {
    throw new AppError('service_unavailable', { cause: err, headers: { 'retry-after': '1' } });
  }
}
