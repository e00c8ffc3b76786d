import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { loadConfig } from '../../../src/config/load.ts';

const text = (file: string) =>
  readFileSync(new URL(`../../../config/kubernetes/${file}`, import.meta.url), 'utf8');
// What kubectl reads is YAML 1.1.
const manifest = <T>(file: string) => parse(text(file), { version: '1.1' }) as T;

interface Labels {
  readonly matchLabels: Record<string, string>;
}
interface Pod {
  readonly metadata: { readonly labels: Record<string, string> };
  readonly spec: {
    readonly automountServiceAccountToken: boolean;
    readonly terminationGracePeriodSeconds?: number;
    readonly securityContext: Record<string, unknown>;
    readonly containers: readonly {
      readonly image: string;
      readonly args: readonly string[];
      readonly env: readonly {
        name: string;
        value?: string;
        valueFrom?: { fieldRef: { fieldPath: string } };
      }[];
      readonly ports?: readonly { name: string; containerPort: number }[];
      readonly startupProbe?: { httpGet: { path: string; port: string } };
      readonly livenessProbe?: { httpGet: { path: string; port: string } };
      readonly readinessProbe?: { httpGet: { path: string; port: string } };
      readonly resources: { readonly limits: { readonly memory: string } };
      readonly securityContext: Record<string, unknown>;
      readonly volumeMounts: readonly { name: string; mountPath: string; readOnly?: boolean }[];
    }[];
    readonly volumes: readonly { name: string; secret?: { secretName: string; defaultMode: number } }[];
  };
}
interface StatefulSet {
  readonly spec: {
    readonly serviceName: string;
    readonly replicas: number;
    readonly selector: Labels;
    readonly persistentVolumeClaimRetentionPolicy: Record<string, string>;
    readonly template: Pod;
    readonly volumeClaimTemplates: readonly { metadata: { name: string } }[];
  };
}

const set = manifest<StatefulSet>('statefulset.yaml').spec;
const pod = set.template.spec;
const [container] = pod.containers;
const job = manifest<{ spec: { template: Pod } }>('migrate.yaml').spec.template.spec;
const environment = ({ env }: Pod['spec']['containers'][number], name: string) =>
  Object.fromEntries(env.map((variable) => [variable.name, variable.value ?? name]));
const config = (pod: string) =>
  loadConfig({
    env: environment(container!, pod),
    text: text('fieldwatch.yaml'),
    file: '/etc/fieldwatch/fieldwatch.yaml',
    readFile: (file) => (file.endsWith('alerts.yaml') ? text('alerts.yaml') : 'a-secret'),
  }).config;

describe('config/kubernetes', () => {
  test('the configuration holds; each pod is a member of one share group under its own name', () => {
    const [first, second] = [config('fieldwatch-0'), config('fieldwatch-1')];
    expect([first.mqtt.client_id, second.mqtt.client_id]).toEqual(['fieldwatch-0', 'fieldwatch-1']);
    expect(container!.env.find(({ name }) => name === 'FIELDWATCH_MQTT_CLIENT_ID')?.valueFrom).toEqual({
      fieldRef: { fieldPath: 'metadata.name' },
    });
    expect(set.replicas).toBeGreaterThan(1);
    expect(first.mqtt.share_group).toBe('fieldwatch');
    expect(Object.keys(first.alerts.metrics)).toEqual(['temperature']);
  });

  test("what is kept lies in the member's volume, which outlives the pod", () => {
    const mounted = container!.volumeMounts.find(
      ({ name }) => name === set.volumeClaimTemplates[0]?.metadata.name,
    );
    expect(`${config('fieldwatch-0').state_dir}/`).toContain(`${mounted?.mountPath}/`);
    expect(mounted?.readOnly).toBeUndefined();
    expect(set.persistentVolumeClaimRetentionPolicy).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' });
  });

  test('every secret is a file of the Secret, which the group of the pod can read', () => {
    const { mqtt, database } = config('fieldwatch-0');
    for (const spec of [pod, job]) {
      const volume = spec.volumes.find(({ secret }) => secret !== undefined);
      expect(volume?.secret).toEqual({ secretName: 'fieldwatch', defaultMode: 0o440 });
      const mount = spec.containers[0]?.volumeMounts.find(({ name }) => name === volume?.name);
      for (const file of [mqtt.password_file, mqtt.tls.ca_file, database.password_file, database.tls.ca_file])
        expect(file).toMatch(new RegExp(`^${mount?.mountPath}/`));
    }
    for (const file of ['fieldwatch.yaml', 'statefulset.yaml', 'migrate.yaml'])
      expect(text(file)).not.toMatch(/password: |:\/\/[^/@\s]*:[^/@\s]*@/);
  });

  test('the migration is done in the same database, by the same role', () => {
    const { database } = config('fieldwatch-0');
    const { env } = { env: environment(job.containers[0]!, '') };
    expect(env).toEqual({
      FIELDWATCH_DATABASE_URL: database.url,
      FIELDWATCH_DATABASE_PASSWORD_FILE: database.password_file,
      FIELDWATCH_DATABASE_TLS_CA_FILE: database.tls.ca_file,
    });
    expect(database.migrate_at_start).toBe(false);
    expect(() =>
      loadConfig({ env, text: '{}', file: 'none.yaml', readFile: () => 'a-secret' }),
    ).not.toThrow();
  });

  test('the probes call the daemon, and a stop leaves more time than it takes', () => {
    const { http, shutdown_deadline } = config('fieldwatch-0');
    expect(container!.ports).toEqual([{ name: 'http', containerPort: http.port }]);
    // Probes and metrics only: the page needs tokens there.
    expect([http.enabled, http.host, http.api]).toEqual([true, '0.0.0.0', false]);
    expect(container!.startupProbe?.httpGet).toEqual({ path: '/livez', port: 'http' });
    expect(container!.livenessProbe?.httpGet).toEqual({ path: '/livez', port: 'http' });
    expect(container!.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'http' });
    expect((pod.terminationGracePeriodSeconds ?? 0) * 1000).toBeGreaterThan(shutdown_deadline);
  });

  test('Service, disruption budget and network policy select the pods, and let out what the configuration names', () => {
    const labels = set.template.metadata.labels;
    const service = manifest<{ metadata: { name: string }; spec: { selector: object } }>('services.yaml');
    const budget = manifest<{ spec: { selector: Labels; maxUnavailable: number } }>(
      'disruption-budget.yaml',
    ).spec;
    const network = manifest<{
      spec: {
        podSelector: Labels;
        policyTypes: string[];
        ingress: { ports: { port: unknown }[] }[];
        egress: { ports: { port: number }[] }[];
      };
    }>('network-policy.yaml').spec;
    expect(set.selector.matchLabels).toEqual(labels);
    expect([service.metadata.name, service.spec.selector]).toEqual([set.serviceName, labels]);
    expect([budget.selector.matchLabels, budget.maxUnavailable]).toEqual([labels, 1]);
    expect([network.podSelector.matchLabels, network.policyTypes]).toEqual([labels, ['Ingress', 'Egress']]);
    expect(network.ingress.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual(['http']);
    const out = network.egress.flatMap(({ ports }) => ports.map(({ port }) => port));
    const { mqtt, database } = config('fieldwatch-0');
    for (const url of [mqtt.url, database.url]) expect(out).toContain(Number(new URL(url ?? '').port));
  });

  test('without rights: no root, no capability, a read-only root file system, no token, bounded memory', () => {
    for (const spec of [pod, job]) {
      expect(spec.automountServiceAccountToken).toBe(false);
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 });
      for (const { securityContext, resources } of spec.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(resources.limits.memory).toMatch(/^\d+[MG]i$/);
      }
    }
  });

  test('what is applied together is in the kustomization, with the image that the migration runs', () => {
    const { resources, configMapGenerator, images } = manifest<{
      resources: string[];
      configMapGenerator: { name: string; files: string[] }[];
      images: { name: string; newName: string; newTag: string }[];
    }>('kustomization.yaml');
    expect(resources.map((file) => text(file).length > 0)).toEqual([true, true, true, true]);
    expect(configMapGenerator).toEqual([{ name: 'fieldwatch', files: ['fieldwatch.yaml', 'alerts.yaml'] }]);
    expect(images.map(({ name }) => name)).toEqual([container!.image]);
    expect(job.containers[0]?.image).toBe(`${images[0]?.newName}:${images[0]?.newTag}`);
  });
});
