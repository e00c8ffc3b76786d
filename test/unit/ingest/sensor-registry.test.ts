import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { type RegistryOptions, SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory, RecordingMetrics } from '../../support/fakes.ts';

function setup(options: Partial<RegistryOptions> = {}) {
  const directory = new FakeDirectory();
  const clock = new FakeClock();
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 100_000, maxNewPerMinute: 100, ...options },
    { directory, clock, logger: silentLogger, metrics: new RecordingMetrics() },
  );
  return { directory, clock, registry };
}

const devices = (...keys: string[]) => keys.map((key) => ({ key }));

describe('SensorRegistry', () => {
  it('registers unknown keys in one call and caches them', async () => {
    const { directory, registry } = setup();
    expect(await registry.resolve(devices('a', 'b'))).toEqual(new Map());
    expect(directory.registerCalls).toBe(1);
    expect(registry.find('a')?.id).toBe(1);
    await registry.resolve(devices('a', 'b'));
    expect(directory.registerCalls).toBe(1);
  });

  it('refuses keys outside the allow-list, and with registration rejected', async () => {
    const { registry } = setup({ allow: ['lab-*', 'x.1'] });
    expect(await registry.resolve(devices('lab-1', 'x.1', 'xa1', 'home-1'))).toEqual(
      new Map([
        ['xa1', 'sensor_rejected'],
        ['home-1', 'sensor_rejected'],
      ]),
    );
    const closed = setup({ registration: 'reject' });
    expect(await closed.registry.resolve(devices('a'))).toEqual(new Map([['a', 'sensor_rejected']]));
  });

  it('takes ? in the allow-list for one character, and an empty list matches no sensor', async () => {
    const { registry } = setup({ allow: ['s?', 'a?c*'] });
    const refused = await registry.resolve(devices('s1', 's', 's12', 's\u{1f321}', 'abc', 'ac', 's?'));
    expect([...refused.keys()]).toEqual(['s', 's12', 'ac']);
    const empty = setup({ allow: [] });
    expect(await empty.registry.resolve(devices('a'))).toEqual(new Map([['a', 'sensor_rejected']]));
  });

  it('finds a sensor that was registered by hand, whatever the policy', async () => {
    const { directory, registry } = setup({ registration: 'reject' });
    directory.add('a', { location: 'lab' });
    expect(await registry.resolve(devices('a'))).toEqual(new Map());
    expect(registry.find('a')?.location).toBe('lab');
  });

  it('limits new sensors a minute, and starts anew in the next', async () => {
    const { clock, registry } = setup({ maxNewPerMinute: 2 });
    expect(await registry.resolve(devices('a', 'b', 'c'))).toEqual(new Map([['c', 'sensor_limit']]));
    clock.advance(60_000);
    expect(await registry.resolve(devices('c'))).toEqual(new Map());
  });

  it('limits sensors in all; what is full does not wait for the next minute', async () => {
    const { clock, directory, registry } = setup({ max: 2 });
    directory.add('declared');
    await registry.load();
    expect(registry.admitsLater).toBe(true);
    expect(await registry.resolve(devices('a', 'b'))).toEqual(new Map([['b', 'sensors_full']]));
    clock.advance(60_000);
    expect(registry.admitsLater).toBe(false);
    expect(await registry.resolve(devices('b', 'a'))).toEqual(new Map([['b', 'sensors_full']]));
    // Registered by hand it is known, whatever the limit.
    directory.add('b');
    expect(await registry.resolve(devices('b'))).toEqual(new Map());
  });

  it('registers a device where its topic says that it stands', async () => {
    const { registry } = setup();
    await registry.resolve([{ key: 'a', location: 'coldroom' }]);
    expect(registry.find('a')?.location).toBe('coldroom');
  });

  it('a sensor without a location gets that of its topic, once; one that has a location keeps it', async () => {
    const { directory, registry } = setup({ registration: 'reject' });
    directory.add('declared');
    directory.add('fixed', { location: 'lab' });
    await registry.load();
    let placed = 0;
    registry.onPlaced = () => placed++;
    const seen = [
      { key: 'declared', location: 'coldroom' },
      { key: 'fixed', location: 'attic' },
    ];
    expect(await registry.resolve(seen)).toEqual(new Map());
    expect([registry.find('declared')?.location, registry.find('fixed')?.location]).toEqual([
      'coldroom',
      'lab',
    ]);
    await registry.resolve(seen);
    expect(placed).toBe(1);
  });

  it('keeps its allowance when the database is away', async () => {
    const { directory, registry } = setup({ maxNewPerMinute: 1 });
    directory.failWith = new Error('away');
    await expect(registry.resolve(devices('a'))).rejects.toThrow('away');
    directory.failWith = undefined;
    expect(await registry.resolve(devices('a'))).toEqual(new Map());
  });
});

describe('gateways and retired sensors', () => {
  it('registers a gateway with the first sensor that sends through it, as far as it may', async () => {
    const { directory, registry } = setup({ allow: ['d*', 'hub'] });
    expect(registry.hasGateways).toBe(false);
    expect(
      await registry.resolve([
        { key: 'd1', gateway: 'hub' },
        { key: 'd2', gateway: 'hub' },
      ]),
    ).toEqual(new Map());
    expect([...directory.sensors.keys()]).toEqual(['d1', 'hub', 'd2']);
    expect([...registry.behind('hub')]).toEqual(['d1', 'd2']);
    expect(registry.hasGateways).toBe(true);
    // What may not register itself is left out, without a dead letter of the sensor.
    expect(await registry.resolve([{ key: 'd3', gateway: 'other' }])).toEqual(new Map());
    expect(registry.find('other')).toBeUndefined();
    expect(registry.find('d3')?.gateway).toBe('other');
  });

  it('says so when a gateway is new, also one that another daemon has registered', async () => {
    const { directory, registry } = setup();
    let placed = 0;
    registry.onPlaced = () => placed++;
    await registry.resolve([{ key: 'd1', gateway: 'hub' }]);
    expect(placed).toBe(1);
    await registry.resolve([{ key: 'd2', gateway: 'hub' }, { key: 'alone' }]);
    expect(placed).toBe(1);
    directory.add('hub2');
    await registry.learnIds([directory.add('d3', { gateway: 'hub2' }).id]);
    expect([placed, registry.find('hub2')?.key]).toEqual([2, 'hub2']);
    await registry.learn(['d3']);
    expect(placed).toBe(2);
  });

  it('fills in a gateway that was not known, once, and follows a change of it', async () => {
    const { directory, registry } = setup();
    let placed = 0;
    registry.onPlaced = () => placed++;
    directory.add('d1');
    await registry.load();
    await registry.resolve([{ key: 'd1', gateway: 'hub' }]);
    await registry.resolve([{ key: 'd1', gateway: 'hub2' }]);
    // Once for the gateway of d1, once for the hub itself.
    expect([registry.find('d1')?.gateway, placed]).toEqual(['hub', 2]);
    expect(registry.find('hub2')).toBeUndefined();
    directory.sensors.set('d1', {
      ...directory.add('x'),
      key: 'd1',
      id: registry.find('d1')!.id,
      gateway: 'hub2',
    });
    await registry.load();
    expect([[...registry.behind('hub')], [...registry.behind('hub2')]]).toEqual([[], ['d1']]);
  });

  it('brings back a sensor that was retired until it is seen', async () => {
    const { directory, registry } = setup();
    directory.add('a', { retired: 'until_seen' });
    directory.add('b', { retired: 'for_good' });
    await registry.load();
    await registry.resolve(devices('a', 'b'));
    expect(['a', 'b'].map((key) => directory.sensors.get(key)?.retired)).toEqual([null, 'for_good']);
  });
});

describe('a sensor that sends by the topic of another location', () => {
  const from = (location: string) => [{ key: 'a', location }];

  const moving = () => {
    const directory = new FakeDirectory();
    const clock = new FakeClock();
    const logger = new QuietLogger();
    const registry = new SensorRegistry(
      { registration: 'auto', allow: ['*'], max: 100, maxNewPerMinute: 100 },
      { directory, clock, logger, metrics: new RecordingMetrics() },
    );
    const said = (message: string) => logger.entries.filter((entry) => entry.message === message);
    return { directory, clock, registry, said };
  };

  it('has moved once it has sent from there alone for a minute; it keeps its id', async () => {
    const { clock, registry, said } = moving();
    await registry.resolve(from('lab'));
    const id = registry.find('a')?.id;
    await registry.resolve(from('roof'));
    clock.advance(59_000);
    await registry.resolve(from('roof'));
    expect(registry.find('a')).toMatchObject({ location: 'lab', isMoving: true });
    clock.advance(1000);
    await registry.resolve(from('roof'));
    expect(registry.find('a')).toMatchObject({ id, location: 'roof' });
    expect(said('sensors moved to the location of their topic')).toMatchObject([
      { fields: { count: 1, sensors: [{ sensor: 'a', from: 'lab', to: 'roof' }] } },
    ]);
    clock.advance(60_000);
    await registry.resolve(from('roof'));
    expect(registry.find('a')?.isMoving ?? false).toBe(false);
  });

  it('stays where it was while it sends from there, too: these are two devices of one key', async () => {
    const { clock, registry, said } = moving();
    await registry.resolve(from('lab'));
    for (let minute = 0; minute < 10; minute++) {
      await registry.resolve(from('roof'));
      clock.advance(40_000);
      await registry.resolve(from('lab'));
      clock.advance(40_000);
    }
    expect(registry.find('a')?.location).toBe('lab');
    const warned = said('sensor sends by topics of two locations, the former one stays');
    expect(warned.length).toBeGreaterThan(0);
    expect(warned.length).toBeLessThanOrEqual(10);
  });

  it('goes through several places: the last one counts from its own beginning', async () => {
    const { clock, registry } = moving();
    await registry.resolve(from('lab'));
    await registry.resolve(from('stairs'));
    clock.advance(50_000);
    await registry.resolve(from('roof'));
    clock.advance(50_000);
    await registry.resolve(from('roof'));
    expect(registry.find('a')?.location).toBe('lab');
    clock.advance(10_000);
    await registry.resolve(from('roof'));
    expect(registry.find('a')?.location).toBe('roof');
  });

  it('stays where it was declared, or put by hand', async () => {
    const { directory, clock, registry } = moving();
    directory.add('a', { location: 'cellar' });
    await registry.load();
    for (let minute = 0; minute < 3; minute++) {
      await registry.resolve(from('roof'));
      clock.advance(60_000);
    }
    expect(registry.find('a')?.location).toBe('cellar');
  });
});
