import type { AlertKey } from '../../core/alert/model.ts';
import { hash } from 'node:crypto';
import { alertKeyText } from '../../core/alert/engine/alert-key.ts';

/** The namespace of fieldwatch's alert ids, itself a random UUID chosen once. Never change it: ids are stored. */
const NAMESPACE = Buffer.from('6f1d6f0d3c0b4f0d9a3e7d0c1f6b8a52', 'hex');

/** RFC 9562 UUID version 5: the same name always yields the same id. */
export function nameUuid(name: string): string {
  const digest = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(name)]), 'hex');
  const variant = ((Number.parseInt(digest.charAt(16), 16) & 0x3) | 0x8).toString(16);
  const hex = `${digest.slice(0, 12)}5${digest.slice(13, 16)}${variant}${digest.slice(17, 32)}`;
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Derived from the alert's key and its start: every evaluation of an episode yields the same id. */
export function alertId(key: AlertKey, startedAtMs: number): string {
  return nameUuid(`${alertKeyText(key)}|${startedAtMs}`);
}
