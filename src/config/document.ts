import {
  type Alias,
  LineCounter,
  type Node,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
} from 'yaml';
import { type ConfigFault, type ConfigPath, formatPath } from './fault.ts';
import type { Origins, Position } from './origins.ts';
import { syntaxMessage } from './syntax.ts';

const MAX_TEXT = 4 * 1024 ** 2;
/** Values that aliases may stand for in all; what is written out is bounded by the size of the text. */
const MAX_ALIASED = 10_000;
const MAX_DEPTH = 64;

/** Faults that leave the rest of the document as it was meant; after any other, what follows is guesswork. */
const HARMLESS: ReadonlySet<string> = new Set(['TAG_RESOLVE_FAILED', 'BAD_DQ_ESCAPE']);

export interface YamlTree {
  readonly value: unknown;
  readonly faults: readonly ConfigFault[];
  /** First line from which the document can no longer be trusted. */
  readonly brokenFrom: number;
}

/**
 * Reads YAML into plain values and notes where each stands, under `prefix`. Aliases are expanded here and not by the
 * library, because a bomb of nested aliases must cost a fault and not the memory of the process.
 */
export function readYaml(text: string, file: string, origins: Origins, prefix: ConfigPath = []): YamlTree {
  const tooLarge = { file, line: 1, column: 1, path: '', message: `larger than ${MAX_TEXT} characters` };
  if (text.length > MAX_TEXT) return { value: undefined, faults: [tooLarge], brokenFrom: 1 };
  const lines = new LineCounter();
  // prettyErrors would quote the source line, and with it perhaps a password.
  const parsed = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  });
  const reader = new TreeReader(file, lines, origins);
  let brokenFrom = Infinity;
  for (const error of parsed.errors) {
    const position = reader.position(error.pos[0]);
    reader.faults.push({ file, ...position, path: '', message: syntaxMessage(error) });
    if (!HARMLESS.has(error.code)) brokenFrom = Math.min(brokenFrom, position.line);
  }
  const top = { line: 1, column: 1 };
  const value = parsed.contents === null ? undefined : reader.read(parsed.contents, prefix, top, 0);
  return { value, faults: reader.faults, brokenFrom };
}

class TreeReader {
  readonly faults: ConfigFault[] = [];
  readonly #open = new Set<Node>();
  readonly #anchors = new Map<string, Node>();
  #aliased = 0;
  #aliasDepth = 0;
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #origins: Origins;

  constructor(file: string, lines: LineCounter, origins: Origins) {
    this.#file = file;
    this.#lines = lines;
    this.#origins = origins;
  }

  position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  read(node: unknown, path: ConfigPath, key: Position, depth: number): unknown {
    const value = this.#start(node) ?? key;
    if (this.#aliasDepth > 0) this.#aliased++;
    if (this.#exhausted()) return this.#refuse(value, `aliases stand for more than ${MAX_ALIASED} values`);
    if (depth > MAX_DEPTH) return this.#refuse(value, `nested deeper than ${MAX_DEPTH} levels`);
    this.#origins.set(path, { kind: 'file', file: this.#file, key, value });
    if (isAlias(node)) return this.#readAlias(node, value, path, key, depth);
    if (isNode(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return node.value;
    if (!isMap(node) && !isSeq(node)) return null;
    this.#open.add(node);
    const plain = isMap(node)
      ? this.#readMap(node.items, path, depth)
      : this.#readSeq(node.items, path, depth);
    this.#open.delete(node);
    return plain;
  }

  // The library's own `resolve` searches the whole document for each alias.
  #readAlias(alias: Alias, value: Position, path: ConfigPath, key: Position, depth: number): unknown {
    const target = this.#anchors.get(alias.source);
    if (target === undefined) return this.#refuse(value, `alias *${alias.source} has no anchor before it`);
    if (this.#open.has(target)) return this.#refuse(value, 'an alias contains itself');
    this.#aliasDepth++;
    const plain = this.read(target, path, key, depth + 1);
    this.#aliasDepth--;
    return plain;
  }

  // No prototype: `__proto__` is an unknown key like any other.
  #readMap(pairs: readonly { key: unknown; value: unknown }[], path: ConfigPath, depth: number): unknown {
    const plain = Object.create(null) as Record<string, unknown>;
    const seen = new Map<string, Position>();
    for (const pair of pairs) {
      if (this.#exhausted()) break;
      const name = isScalar(pair.key) ? String(pair.key.value) : '?';
      const key = this.#start(pair.key) ?? { line: 1, column: 1 };
      const first = seen.get(name);
      seen.set(name, first ?? key);
      if (first === undefined) plain[name] = this.read(pair.value, [...path, name], key, depth + 1);
      else this.#duplicate([...path, name], key, first);
    }
    return plain;
  }

  #readSeq(items: readonly unknown[], path: ConfigPath, depth: number): unknown {
    const plain: unknown[] = [];
    for (const [index, item] of items.entries()) {
      if (this.#exhausted()) break;
      const start = this.#start(item) ?? { line: 1, column: 1 };
      plain.push(this.read(item, [...path, index], start, depth + 1));
    }
    return plain;
  }

  // Reported here and not by the parser: with its name, its path, and where the first one stands.
  #duplicate(path: ConfigPath, key: Position, first: Position): void {
    const message = `duplicate key "${path.at(-1) ?? ''}": it stands at line ${first.line} already`;
    this.faults.push({ file: this.#file, ...key, path: formatPath(path), message });
  }

  #exhausted(): boolean {
    return this.#aliased > MAX_ALIASED;
  }

  #start(node: unknown): Position | undefined {
    const range = isAlias(node) || isScalar(node) || isMap(node) || isSeq(node) ? node.range : undefined;
    return range === undefined || range === null ? undefined : this.position(range[0]);
  }

  /** One fault of a kind is enough: a bomb would repeat it a hundred thousand times. */
  #refuse(position: Position, message: string): null {
    if (!this.faults.some((fault) => fault.message === message))
      this.faults.push({ file: this.#file, ...position, path: '', message });
    return null;
  }
}
