/** The transition table of thresholds written a second time, straight from the contract: what the engine is held against. */

export interface TableLevel {
  readonly severity: 'critical';
  readonly max?: number;
  readonly min?: number;
  readonly forS?: number | undefined;
}

export interface TableRule {
  readonly max?: number;
  readonly min?: number;
  readonly hysteresis: number;
  readonly forS: number;
  readonly keepS: number;
  readonly samples: number;
  readonly staleS: number;
  readonly levels: readonly TableLevel[];
}

export type Sample = readonly [atS: number, value: number];

type Rung = { readonly limit: number; readonly forS: number | undefined };

/** One side of a rule: its state, and the letters that it gives. */
class Side {
  state: 'ok' | 'pending' | 'firing' | 'recovering' = 'ok';
  private since: (number | undefined)[] = [];
  private clearSince = 0;
  private streak = 0;
  private level = 0;
  private readonly rule: TableRule;
  private readonly side: 'max' | 'min';
  private readonly rungs: readonly Rung[];
  private readonly out: string[];

  constructor(rule: TableRule, side: 'max' | 'min', out: string[]) {
    const own = rule[side];
    const further = rule.levels.map((level) => ({ limit: level[side], forS: level.forS }));
    this.rule = rule;
    this.side = side;
    this.rungs = [{ limit: own, forS: undefined }, ...further].filter(
      (rung): rung is Rung => rung.limit !== undefined,
    );
    this.out = out;
  }

  read(t: number, v: number, gap: boolean): void {
    if (this.rungs.length === 0) return;
    const breached = this.rungs.findLastIndex(({ limit }) => this.isBeyond(v, limit));
    const clear = !this.rungs.some(({ limit }) => this.isHeld(v, limit));
    switch (this.state) {
      case 'ok':
        if (breached >= 0) this.begin(t, v, breached);
        return;
      case 'pending':
        if (breached < 0) this.go('ok', `C@${t}`);
        else if (gap) this.begin(t, v, breached);
        else {
          this.streak++;
          this.track(t, breached, false);
          this.fire(t, v);
        }
        return;
      case 'firing':
        return this.firing(t, v, breached, clear, gap);
      case 'recovering':
        if (!clear) {
          this.go('firing', `B@${t}`);
          this.since = [];
          this.firing(t, v, breached, clear, gap);
        } else if (gap) this.clearSince = t;
        else if (t - this.clearSince >= this.rule.keepS) this.go('ok', `R@${t}`);
    }
  }

  private begin(t: number, v: number, breached: number): void {
    this.streak = 1;
    this.track(t, breached, true);
    if (!this.fire(t, v)) this.go('pending', `P@${t}`);
  }

  private fire(t: number, v: number): boolean {
    const level = this.rungs.findLastIndex(({ forS }, index) =>
      this.lasted(t, index, forS ?? this.rule.forS),
    );
    if (level < 0 || this.streak < this.rule.samples) return false;
    this.level = level;
    this.go('firing', `F@${t}(${v}/${this.rungs[level]?.limit})`);
    return true;
  }

  private firing(t: number, v: number, breached: number, clear: boolean, gap: boolean): void {
    if (clear) {
      this.clearSince = t;
      if (this.rule.keepS === 0) this.go('ok', `R@${t}`);
      else this.go('recovering', `V@${t}`);
      return;
    }
    this.track(t, breached, gap);
    const up = this.rungs.findLastIndex(
      ({ forS }, index) => index > this.level && this.lasted(t, index, forS ?? 0),
    );
    const down = this.rungs.findLastIndex(
      ({ limit }, index) => this.isBeyond(v, limit) || (index <= this.level && this.isHeld(v, limit)),
    );
    if (up >= 0) this.go('firing', `E@${t}(${v}/${this.rungs[up]?.limit})`);
    else if (down < this.level) this.go('firing', `D@${t}`);
    this.level = up >= 0 ? up : Math.min(down, this.level);
  }

  private track(t: number, breached: number, anew: boolean): void {
    this.since = this.rungs.map((_, index) =>
      index > breached ? undefined : anew ? t : (this.since[index] ?? t),
    );
  }

  private lasted(t: number, index: number, seconds: number): boolean {
    const since = this.since[index];
    return since !== undefined && t - since >= seconds;
  }

  private isBeyond = (v: number, limit: number) => (this.side === 'max' ? v > limit : v < limit);

  private isHeld(v: number, limit: number): boolean {
    const h = this.rule.hysteresis;
    return this.side === 'max' ? v > limit - h : v < limit + h;
  }

  private go(state: Side['state'], letter: string): void {
    this.state = state;
    this.out.push(this.side === 'max' ? letter : `${letter} temperature_low`);
  }
}

/** The letters that a rule gives for readings in the order of their arrival. */
export function lettersByTable(rule: TableRule, samples: readonly Sample[]): readonly string[] {
  const out: string[] = [];
  const sides = [new Side(rule, 'max', out), new Side(rule, 'min', out)];
  let last = -Infinity;
  for (const [t, v] of samples) {
    if (t <= last) continue;
    const gap = t - last > rule.staleS;
    last = t;
    // The active side first, so high resolves before low fires.
    const [first, second] = sides.toSorted((a, b) => Number(a.state === 'ok') - Number(b.state === 'ok'));
    first?.read(t, v, gap);
    second?.read(t, v, gap);
  }
  return out;
}
