import type * as z from '../core/schema/zod.ts';
import type { ConfigFault, ConfigPath } from './fault.ts';
import type { Origins } from './origins.ts';
import { hint, suggest } from '../core/did-you-mean.ts';
import { inspect, isPlainObject, knownKeys, schemasAt } from './walk.ts';

type Issue = z.core.$ZodIssue;

/** The context in which issues of the schema become faults for people. */
export interface IssueContext {
  readonly root: z.core.$ZodType;
  readonly tree: unknown;
  readonly origins: Origins;
}

export function faultsOf(issues: readonly Issue[], context: IssueContext): ConfigFault[] {
  return issues.flatMap((issue) => faultsOfIssue(issue, [], context));
}

function faultsOfIssue(issue: Issue, prefix: ConfigPath, context: IssueContext): ConfigFault[] {
  const path = [...prefix, ...issue.path.map((part) => (typeof part === 'symbol' ? '?' : part))];
  const { origins, root, tree } = context;
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(root, path);
    return issue.keys.map((key) =>
      origins.fault([...path, key], `unknown key "${key}"${hint(key, known)}`, 'key'),
    );
  }
  if (issue.code === 'invalid_union') {
    const branch = likeliestBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => faultsOfIssue(inner, path, context));
    return [origins.fault(path, unionMessage(issue, valueAt(tree, path)))];
  }
  if (issue.code === 'invalid_key')
    return [origins.fault(path, issue.issues[0]?.message ?? 'is no valid key', 'key')];
  if (issue.code === 'invalid_element')
    return issue.issues.flatMap((inner) => faultsOfIssue(inner, path, context));
  const nodes = schemasAt(root, path).map(inspect);
  const secret = nodes.some((node) => node.secret);
  const form = nodes.map((node) => node.form).find((text) => text !== undefined);
  return [origins.fault(path, messageOf(issue, valueAt(tree, path), secret, form))];
}

/**
 * The alternative of a union that was probably meant: one whose own type fits, with the fewest faults; undefined when
 * the value fits none, and then one line that names all is clearer than the complaints of each.
 */
function likeliestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fits = (branch: readonly Issue[]) =>
    !branch.some((issue) => issue.path.length === 0 && isTypeIssue(issue));
  return branches.filter(fits).sort((a, b) => a.length - b.length)[0];
}

const isTypeIssue = (issue: Issue) => issue.code === 'invalid_type' || issue.code === 'invalid_value';

function unionMessage(issue: z.core.$ZodIssueInvalidUnion, value: unknown): string {
  // The section's own message is clearer than the list of its alternatives.
  if (issue.message !== 'Invalid input') return issue.message;
  const wanted = issue.errors.flat().flatMap((inner) => {
    if (inner.code === 'invalid_type') return [typeName(inner.expected)];
    return inner.code === 'invalid_value' ? inner.values.map(String) : [];
  });
  if (wanted.length === 0) return issue.message;
  return `expected ${[...new Set(wanted)].join(' or ')}, got ${describe(value)}`;
}

function messageOf(issue: Issue, value: unknown, secret: boolean, form: string | undefined): string {
  if (issue.code === 'invalid_type') {
    const expected = form ?? typeName(issue.expected);
    if (value === undefined) return `is missing: expected ${expected}`;
    const quotes =
      form === undefined && issue.expected === 'string' && ['number', 'boolean'].includes(typeof value);
    return `expected ${expected}, got ${describe(value)}${quotes ? '; put it in quotes' : ''}`;
  }
  if (issue.code === 'invalid_value') {
    const expected = oneOf(issue.values.map(String));
    if (value === undefined) return `is missing: expected ${expected}`;
    if (secret || typeof value !== 'string') return `expected ${expected}, got ${describe(value)}`;
    const close = suggest(value, issue.values.map(String));
    return `"${value.slice(0, 64)}" is not ${expected}${close === undefined ? '' : `; did you mean "${close}"?`}`;
  }
  if (issue.code === 'too_small' || issue.code === 'too_big') return boundMessage(issue);
  return issue.message;
}

const UNITS: Readonly<Record<string, string>> = {
  string: ' characters',
  array: ' items',
  record: ' entries',
};

function boundMessage(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  // A message that a section wrote itself wins over the general one.
  if (!/^Too (small|big)/.test(issue.message)) return issue.message;
  const [word, strict, bound] =
    issue.code === 'too_small'
      ? ['at least', 'more than', String(issue.minimum)]
      : ['at most', 'less than', String(issue.maximum)];
  const unit = UNITS[issue.origin] ?? '';
  return `must ${unit === '' ? 'be' : 'have'} ${issue.inclusive === false ? strict : word} ${bound}${unit}`;
}

const oneOf = (values: readonly string[]) =>
  values.length === 1 ? `${values[0]}` : `one of ${values.join(', ')}`;

function typeName(type: string): string {
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a section (key: value)',
    record: 'a map (key: value)',
    null: 'null',
  };
  return names[type] ?? type;
}

/** The kind of a value, never the value: it may be a secret in the wrong place. */
function describe(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (isPlainObject(value)) return 'a section';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return Number.isInteger(value) ? 'a number' : 'a number with a fraction';
  return typeof value === 'boolean' ? 'true or false' : 'nothing';
}

export function valueAt(tree: unknown, path: ConfigPath): unknown {
  let value = tree;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
