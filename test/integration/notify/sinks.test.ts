import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { notifySchema } from '../../../src/config/schema/notify.ts';
import { SinkError } from '../../../src/core/notify/sink-error.ts';
import { SINKS } from '../../../src/sinks/index.ts';
import { eventually } from '../../support/eventually.ts';
import { FAR_SIDES, type FarSide, type Mood, SECRET, hasMoods } from '../../support/far-side.ts';
import { dispatchOf, outgoing } from '../../support/notifications.ts';

const FAULTS: Readonly<Record<Exclude<Mood, 'fine' | 'silent'>, string>> = {
  busy: 'away',
  refusing: 'refused',
  unauthorized: 'auth',
  breaking: 'away',
};

test.each(Object.entries(SINKS))('the example of %s is a complete configuration', (kind, { example }) => {
  expect(notifySchema.parse([{ name: 'ops', ...example }]).sinks).toMatchObject([{ kind }]);
});

describe.each(Object.keys(FAR_SIDES))('the %s sink', (kind) => {
  let far: FarSide;
  beforeEach(async () => {
    far = await (FAR_SIDES[kind] as () => Promise<FarSide>)();
  });
  afterEach(() => far.stop());

  const send = (delivery = dispatchOf({}), signal = AbortSignal.timeout(20_000)) =>
    far.sink.send(delivery, signal);
  const failure = async (delivery = dispatchOf({}), signal?: AbortSignal) => {
    const error: unknown = await send(delivery, signal).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    return error as SinkError;
  };

  test('sends firing and resolved: the sensor, and its metric', async () => {
    const { alertId } = outgoing();
    await send(dispatchOf({ alertId }));
    await send(dispatchOf({ alertId, seq: 2, event: 'resolved' }));
    await eventually('both arrive', () => far.received().length >= 2);
    for (const text of far.received())
      for (const word of ['Kitchen', 'temperature']) expect(text).toContain(word);
  });

  test('escapes a name with control characters and markup', async () => {
    const sensorKey = 'a/b#+\r\nX-Evil: 1\r\n\u0000\u202e<b>"ü\\';
    await send(dispatchOf({ sensorKey, message: `${sensorKey}: temperature 31 is above 30` }));
    await eventually('it arrives', () => far.received().length >= 1);
    expect(far.received().join('\n')).not.toMatch(/^X-Evil/m);
  });

  test('reports "away" when the server is down, to a probe too, and works again afterwards', async () => {
    expect(await far.sink.probe(AbortSignal.timeout(20_000))).toEqual(expect.any(String));
    await far.down();
    expect((await failure()).fault).toBe('away');
    await expect(far.sink.probe(AbortSignal.timeout(20_000))).rejects.toThrow(SinkError);
  });

  const [withMoods, why] = hasMoods(kind) ? [test, ''] : [test.skip, ' (needs a server with moods)'];

  withMoods(`gives up at once when it is aborted, though the far side is silent${why}`, async () => {
    await far.be('silent');
    await failure(dispatchOf({}), AbortSignal.timeout(200));
  });

  withMoods.each(Object.entries(FAULTS))(
    `knows what to do with a far side that is %s${why}`,
    async (mood, fault) => {
      await far.be(mood as Mood);
      const error = await failure();
      expect(error).toBeInstanceOf(SinkError);
      expect(error.fault).toBe(fault);
      expect(error.message).not.toContain(SECRET);
      expect(JSON.stringify(error)).not.toContain(SECRET);
      await far.be('fine');
      await send();
    },
  );
});
