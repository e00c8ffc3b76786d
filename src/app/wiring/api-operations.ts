import type { Operations, PolicyState } from '../../api/daemon.ts';
import type { Context } from '../context.ts';
import { decodeMessage } from '../operator/decode-message.ts';
import { verifyPolicies } from '../operator/verify-policies.ts';
import { policyStateOf } from './api-view.ts';

type OperationsContext = Omit<Context, 'http'>;

/** What operators do by the API. */
export function operationsOf(context: OperationsContext): Operations {
  const { live, clock } = context;
  return {
    checkPolicies: () => checkPolicies(context),
    decode: (request) => decodeMessage(live.config, request, clock.nowMs()),
  };
}

/** The leader verifies and reports as on its schedule; elsewhere the answer is all that comes of it. */
async function checkPolicies(context: OperationsContext): Promise<PolicyState> {
  const { scheduler, live, servers, clock } = context;
  const status = await scheduler?.check();
  if (status?.role === 'leader') return policyStateOf(context, status);
  const findings = await verifyPolicies(live.config, servers.databaseUrl, 'api');
  const verifiedAtMs = clock.nowMs();
  return policyStateOf(context, {
    role: status?.role ?? 'unknown',
    verifiedAtMs,
    findings,
    error: undefined,
  });
}
