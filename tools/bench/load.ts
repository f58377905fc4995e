/** The load generator, a process of its own: takes one job at a time from its parent and sends back what it saw. */
import { setTimeout as delay } from 'node:timers/promises';
import { wallMs } from '@nightshift/testing';
import { type Answers, listenToAnswers } from './answers.ts';
import { type Api, api } from './api.ts';
import type { Job, JobReport, Post } from './load-job.ts';

const answerPatienceMs = 20_000;
const pollMs = 2;
const terminal = /"status":"(succeeded|failed|canceled|timed_out)"/;

type Round = { readonly job: Job; readonly client: Api; readonly posts: Post[]; readonly endAtMs: number; lost: number };

async function post({ job, client, posts }: Round, sentAtMs: number): Promise<Post> {
  const run = `${job.prefix}${posts.length}`;
  // Its place is taken at once, so that two posts never have one name.
  const place = posts.push({ run, sentAtMs, acceptedAtMs: 0, status: 0, runId: null }) - 1;
  const { status, text } = await client.send('POST', '/v1/runs', job.body.replaceAll('{run}', run));
  const runId = /"runId":"([^"]+)"/.exec(text)?.[1] ?? null;
  return (posts[place] = { run, sentAtMs, acceptedAtMs: wallMs(), status, runId });
}

async function atRate(round: Round, perSecond: number): Promise<void> {
  const startMs = wallMs();
  const total = Math.round(perSecond * round.job.seconds);
  const sent: Promise<Post>[] = [];
  while (sent.length < total) {
    const due = Math.min(total, Math.floor(((wallMs() - startMs) * perSecond) / 1000) + 1);
    while (sent.length < due) sent.push(post(round, startMs + (sent.length * 1000) / perSecond));
    await delay(1);
  }
  await Promise.all(sent);
}

async function untilEnded({ client }: Round, runId: string, giveUpAtMs: number): Promise<boolean> {
  while (wallMs() < giveUpAtMs) {
    if (terminal.test((await client.send('GET', `/v1/runs/${runId}`)).text)) return true;
    await delay(pollMs);
  }
  return false;
}

async function slot(round: Round, answers: Answers | null, isExact: boolean): Promise<void> {
  while (wallMs() < round.endAtMs) {
    const answered = answers?.next(`${round.job.prefix}${round.posts.length}`, answerPatienceMs);
    const { runId, status } = await post(round, wallMs());
    if (runId === null) {
      answered?.cancel();
      if (status !== 202) await delay(20);
      continue;
    }
    if (answered && !(await answered.came)) round.lost += 1;
    else if (isExact && !(await untilEnded(round, runId, wallMs() + answerPatienceMs))) round.lost += 1;
  }
}

async function perform(job: Job): Promise<JobReport> {
  const { pace } = job;
  const client = api(job.target, pace.kind === 'rate' ? 256 : pace.concurrency + 1);
  const answers = pace.kind === 'runs' ? await listenToAnswers(pace.answersUrl) : null;
  const startedAtMs = wallMs();
  const round: Round = { job, client, posts: [], endAtMs: startedAtMs + job.seconds * 1000, lost: 0 };
  if (pace.kind === 'rate') await atRate(round, pace.perSecond);
  else await Promise.all(Array.from({ length: pace.concurrency }, () => slot(round, answers, pace.kind === 'runs' && pace.isExact)));
  answers?.close();
  await client.close();
  return { posts: round.posts, startedAtMs, endedAtMs: Math.min(wallMs(), round.endAtMs), lost: round.lost };
}

process.on('message', (job: Job) => {
  perform(job).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
