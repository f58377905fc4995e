import { goProgram } from './go.ts';
import { kubernetesSchemas } from './kubernetes-schemas.ts';

/** Builds and fetches what the chart and the compose file are tested with, as far as it is not cached yet. Throws with what to install when something is missing. */
export async function provisionChartTools(): Promise<void> {
  // One after the other: each build keeps all cores busy, and later ones use what earlier ones have compiled.
  for (const name of ['helm', 'helm-unittest', 'kubeconform', 'kustomize', 'compose-go'] as const) await goProgram(name);
  await kubernetesSchemas();
}
