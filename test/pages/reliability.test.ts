/** The Kubernetes job of docs/reliability.md: fields that there are, and a shard for each of its indices. */
import { expect, it } from 'vitest';
import { z } from 'zod';
import { blocksIn, page } from '../support/pages.ts';

/** Of batch/v1 Job, what the page uses; strict, so that a misspelt field is caught. */
const name = z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
const container = z.strictObject({
  name,
  image: z.string(),
  command: z.array(z.string()),
  args: z.array(z.string()),
  volumeMounts: z.array(z.strictObject({ name, mountPath: z.string().startsWith('/') })),
});
const jobSchema = z.strictObject({
  apiVersion: z.literal('batch/v1'),
  kind: z.literal('Job'),
  metadata: z.strictObject({ name }),
  spec: z.strictObject({
    completions: z.int().positive(),
    parallelism: z.int().positive(),
    completionMode: z.enum(['Indexed', 'NonIndexed']),
    backoffLimit: z.int().nonnegative(),
    template: z.strictObject({
      spec: z.strictObject({
        restartPolicy: z.enum(['OnFailure', 'Never']),
        terminationGracePeriodSeconds: z.int().positive(),
        containers: z.array(container).min(1),
        volumes: z.array(z.strictObject({ name, persistentVolumeClaim: z.strictObject({ claimName: name }) })),
      }),
    }),
  }),
});

it('is an indexed job with a shard for each index, in a volume that there is', () => {
  const text = blocksIn(page('docs/reliability.md')).find(({ language }) => language === 'json')!.text;
  const { spec } = jobSchema.parse(JSON.parse(text));
  expect([spec.completionMode, spec.parallelism]).toEqual(['Indexed', spec.completions]);
  const [sweep] = spec.template.spec.containers;
  expect(sweep!.args[0]).toMatch(new RegExp(`--shard \\$\\(\\(JOB_COMPLETION_INDEX \\+ 1\\)\\)/${spec.completions}$`));
  const volumes = spec.template.spec.volumes.map((volume) => volume.name);
  expect(volumes).toEqual(sweep!.volumeMounts.map((mount) => mount.name));
  expect(jobSchema.safeParse({ ...JSON.parse(text), kind: 'Jobs' }).success).toBe(false);
});
