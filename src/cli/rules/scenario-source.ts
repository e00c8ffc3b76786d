import type * as z from '../../core/schema/zod.ts';
import { readYaml } from '../../config/document.ts';
import { type ConfigFault, formatFault, sortFaults } from '../../config/fault.ts';
import { faultsOf } from '../../config/issues.ts';
import { Origins } from '../../config/origins.ts';
import { FieldwatchError, messageOf } from '../../core/errors.ts';

export type SourcePath = readonly (string | number)[];

/** The text of a scenario file: faults are gathered with their line and column, like those of the configuration. */
export class ScenarioSource {
  readonly tree: unknown;
  private readonly file: string;
  private readonly origins: Origins;
  private readonly faults: ConfigFault[] = [];

  constructor(text: string, file: string) {
    this.file = file;
    this.origins = new Origins(file);
    const { value, faults } = readYaml(text, file, this.origins);
    this.tree = value ?? null;
    this.faults.push(...faults);
    this.refuse();
  }

  parse<Schema extends z.ZodType>(schema: Schema): z.output<Schema> {
    const parsed = schema.safeParse(this.tree);
    if (parsed.success) return parsed.data;
    this.faults.push(
      ...faultsOf(parsed.error.issues, { root: schema, tree: this.tree, origins: this.origins }),
    );
    throw this.refusal();
  }

  /** The part at `path` as read by `read`; undefined, and a fault, where it throws. */
  at<Part>(path: SourcePath, read: () => Part): Part | undefined {
    try {
      return read();
    } catch (error) {
      this.faults.push(this.origins.fault(path, messageOf(error)));
      return undefined;
    }
  }

  /** Throws if there was any fault so far. */
  refuse(): void {
    if (this.faults.length > 0) throw this.refusal();
  }

  private refusal(): FieldwatchError {
    const lines = sortFaults(this.faults, [this.file]).map(formatFault);
    return new FieldwatchError(`no scenario that can be run:\n${lines.join('\n')}`, {
      code: 'SCENARIO_INVALID',
      kind: 'config',
      remedy: 'docs/alerts.md shows what a scenario file holds',
    });
  }
}
