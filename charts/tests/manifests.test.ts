import { describe, expect, test } from '@jest/globals';
import { kubernetesVersions } from '../../tools/infrastructure/kubernetes-schemas.ts';
import { installations, lint, template } from './chart.ts';
import { findInvalid } from './kubeconform.ts';

test('there are values for each kind of installation', () => {
  expect(installations).toEqual(['dedicated-pools', 'default', 'external-services', 'minimal', 'production']);
});

describe.each(installations)('the %s installation', (installation) => {
  test('passes strict linting', async () => {
    expect(await lint(installation)).toContain('1 chart(s) linted, 0 chart(s) failed');
  });

  test.each(kubernetesVersions)('is valid for Kubernetes %s and its operators', async (version) => {
    expect(await findInvalid(await template(installation), version)).toEqual([]);
  });
});

describe('the validation', () => {
  test.each(kubernetesVersions)('finds fields that Kubernetes %s does not know', async (version) => {
    const text = (await template('production')).replaceAll('automountServiceAccountToken', 'automountServiceAccountTokens').replaceAll('minReplicaCount', 'minReplicasCount');
    const invalid = await findInvalid(text, version);
    for (const object of ['Deployment r-nightshift-runs', 'ServiceAccount r-nightshift-runs', 'ScaledObject r-nightshift-runs']) expect(invalid.join('\n')).toContain(object);
  });

  test('finds kinds that nobody knows', async () => {
    expect(await findInvalid('apiVersion: v1\nkind: Sevice\nmetadata: { name: a }\n', kubernetesVersions[0])).toEqual([expect.stringContaining('Sevice a')]);
  });
});
