import * as z from '../../core/schema/zod.ts';
import { VERDICTS } from '../../core/policy/finding.ts';
import { severity, text, time } from './fields.ts';

export const findingSchema = z
  .object({
    check: text('the check that found it'),
    subject: text('what it is about: sensor_readings retention, server, disk'),
    verdict: z.enum(VERDICTS).describe('what is wrong'),
    severity,
    expected: text('what is declared'),
    actual: text('what was found'),
    remedy: text('what to do: a command, a statement or a sentence'),
  })
  .meta({ id: 'Finding', description: 'A fault of compression, retention or an aggregate' });
export type Finding = z.output<typeof findingSchema>;

export const policySchema = z
  .object({
    relation: text('table or aggregate'),
    policy: z.enum(['refresh', 'compression', 'retention']).describe('what it does'),
    declared: text('what the configuration declares'),
    verdict: z.enum(VERDICTS).describe('ok, or what is wrong'),
    jobId: z.int().nullable().describe('number of the job in TimescaleDB; null: there is none'),
    lastRun: time('its last run').nullable(),
    lastRunOk: z
      .boolean()
      .nullable()
      .describe('whether that succeeded, as the server reports it; null: not known'),
    nextRun: time('its next run')
      .nullable()
      .describe('its next run; null: the daemon runs it when it is due'),
  })
  .meta({ id: 'Policy', description: 'A declared policy and its job' });
export type Policy = z.output<typeof policySchema>;

export const SCHEDULER_ROLES = ['leader', 'standby', 'unknown', 'off'] as const;

export const policiesSchema = z
  .object({
    role: z
      .enum(SCHEDULER_ROLES)
      .describe('leader: this daemon verifies; standby: another one does; off: scheduling is disabled'),
    checkedAt: time('last verification').nullable().describe('last verification by this daemon; null: none'),
    error: z.string().nullable().describe('why the last verification failed; null: it did not'),
    repair: z.enum(['auto', 'suggest', 'off']).describe('what is done about findings'),
    findings: z.array(findingSchema).describe('faults as of the last verification, the most urgent first'),
    policies: z.array(policySchema).describe('every declared policy'),
  })
  .meta({ id: 'Policies', description: 'Compression, retention and aggregates, as last verified' });
export type Policies = z.output<typeof policiesSchema>;
