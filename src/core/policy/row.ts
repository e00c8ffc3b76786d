import { FieldwatchError } from '../errors.ts';
import type { CatalogRow } from './catalog.ts';

/**
 * Columns of catalog rows, typed. The queries are ours, so a column of another type is a bug of this program (or a
 * TimescaleDB version with another catalog): reported with the column's name instead of being passed on.
 */
function unexpected(row: CatalogRow, column: string, expected: string): FieldwatchError {
  const actual = row[column];
  return new FieldwatchError(
    `column ${column} of a catalog query: expected ${expected}, got ${actual === null ? 'null' : typeof actual}`,
    { code: 'POLICY_ROW_UNEXPECTED', kind: 'bug' },
  );
}

export function textOf(row: CatalogRow, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw unexpected(row, column, 'text');
  return value;
}

export function optionalText(row: CatalogRow, column: string): string | undefined {
  return row[column] === null || row[column] === undefined ? undefined : textOf(row, column);
}

/** Accepts the text that drivers return for bigint and numeric. */
export function numberOf(row: CatalogRow, column: string): number {
  const value = row[column];
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number === 'bigint') return Number(number);
  if (typeof number !== 'number' || Number.isNaN(number)) throw unexpected(row, column, 'a number');
  return number;
}

export function optionalNumber(row: CatalogRow, column: string): number | undefined {
  return row[column] === null || row[column] === undefined ? undefined : numberOf(row, column);
}

export function flagOf(row: CatalogRow, column: string): boolean {
  const value = row[column];
  if (typeof value !== 'boolean') throw unexpected(row, column, 'a boolean');
  return value;
}

/** A jsonb object, which drivers return parsed; null is an empty one. */
export function objectOf(row: CatalogRow, column: string): Readonly<Record<string, unknown>> {
  const value = row[column];
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw unexpected(row, column, 'an object');
  return value as Readonly<Record<string, unknown>>;
}

/** A jsonb array of objects built by our queries; null is an empty one. */
export function listOf<Item>(row: CatalogRow, column: string): readonly Item[] {
  const value = row[column] ?? [];
  if (!Array.isArray(value)) throw unexpected(row, column, 'a list');
  return value as readonly Item[];
}
