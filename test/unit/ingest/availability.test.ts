import { describe, expect, it, test } from '@jest/globals';
import protobuf from 'protobufjs';
import { feed, routerOf } from '../../support/routes.ts';

/** What a route makes of an availability: device and state, `code` for what says nothing of the kind. */
function said(route: object, topic: string, payload: string | Uint8Array, router = routerOf([route])) {
  const decoded = feed(
    router,
    typeof payload === 'string'
      ? { topic, payload }
      : { topic, payload_hex: Buffer.from(payload).toString('hex') },
  );
  if (decoded.kind !== 'reject') return decoded.kind;
  const { availability, code } = decoded;
  if (availability === undefined) return code;
  const { device, online, parts } = availability;
  return `${device}${parts ? ' with its parts' : ''} ${online ? 'online' : 'offline'}`;
}

describe('availability topics of presets', () => {
  test.each([
    ['zigbee2mqtt', 'zigbee2mqtt/door/availability', '{"state":"offline"}', 'door offline'],
    ['zigbee2mqtt', 'zigbee2mqtt/kitchen/window/availability', 'online', 'kitchen/window online'],
    ['zigbee2mqtt', 'zigbee2mqtt/door/availability', '', 'ignored'],
    // It is the bridge's: no sensor.
    ['zigbee2mqtt', 'zigbee2mqtt/bridge/state', '{"state":"offline"}', 'ignored'],
    ['tasmota', 'tele/plug/LWT', 'Offline', 'plug with its parts offline'],
    ['tasmota', 'tele/plug/LWT', 'Online', 'plug with its parts online'],
    ['esphome', 'bedroom/status', 'offline', 'bedroom offline'],
    ['esphome', 'house/bedroom/status', 'online', 'house/bedroom online'],
    ['esphome', 'bedroom/debug', 'offline', 'ignored'],
    ['shelly-gen1', 'shellies/shellyht-1f2e3d/online', 'false', 'shellyht-1f2e3d offline'],
    [
      'shelly-gen2',
      'shellyplus1pm-a8032abe54dc/online',
      'true',
      'shellyplus1pm-a8032abe54dc with its parts online',
    ],
    ['homie', 'homie/lamp/$state', 'lost', 'lamp with its parts offline'],
    ['homie', 'homie/5/lamp/$state', 'disconnected', 'lamp with its parts offline'],
    ['homie', 'homie/5/lamp/$state', 'ready', 'lamp with its parts online'],
    ['homie', 'homie/5/lamp/$state', 'sleeping', 'lamp with its parts online'],
    ['sparkplug-b', 'spBv1.0/G/DDEATH/E/D', 'x', 'G/E/D offline'],
    ['sparkplug-b', 'spBv1.0/STATE/host', '{"online":false,"timestamp":1}', 'ignored'],
  ])('%s: %s %s', (preset, topic, payload, expected) => {
    expect(said({ preset }, topic, payload)).toBe(expected);
  });

  it('are no availability where the route ignores them, or states none', () => {
    const topic = 'tele/plug/LWT';
    expect(said({ preset: 'tasmota', ignore: ['tele/+/LWT'] }, topic, 'Offline')).toBe('ignored');
    expect(said({ preset: 'tasmota', availability: [] }, topic, 'Offline')).toBe('ignored');
  });
});

describe('availability of a route of its own', () => {
  const route = { topic: 'plant/{line}/{device}/data', device: '{line}-{device}' };
  const stated = (availability: unknown) => ({ ...route, availability });

  test.each([
    ['online', 'a-7 online'],
    [' Offline\n', 'a-7 offline'],
    ['"online"', 'a-7 online'],
    ['{"state":"offline","since":3}', 'a-7 offline'],
    ['{"online":true}', 'a-7 online'],
    ['{"connected":0}', 'a-7 offline'],
    ['1', 'a-7 online'],
    ['21.5', 'ignored'],
    ['{"state":"busy"}', 'ignored'],
    ['{"state":', 'ignored'],
    ['', 'ignored'],
  ])('reads the usual words: %s', (payload, expected) => {
    expect(said(stated('plant/{line}/{device}/status'), 'plant/a/7/status', payload)).toBe(expected);
  });

  it("knows Home Assistant's own payloads, also inside of JSON", () => {
    const topic = {
      topic: 'plant/{line}/{device}/up',
      payload_available: 'da',
      payload_not_available: 'weg',
    };
    expect(said(stated(topic), 'plant/a/7/up', 'weg')).toBe('a-7 offline');
    expect(said(stated([topic]), 'plant/a/7/up', '{"state":"da"}')).toBe('a-7 online');
    expect(said(stated(topic), 'plant/a/7/up', 'offline')).toBe('a-7 offline');
  });

  it('takes {device} where the topic has not all that names the device', () => {
    expect(said(stated('lwt/{device}'), 'lwt/a-7', 'offline')).toBe('a-7 offline');
  });

  it('comes before the telemetry of the same route', () => {
    const all = { topic: 'p/{device}/{metric}', codec: 'scalar', availability: 'p/{device}/status' };
    expect(said(all, 'p/x/status', '0')).toBe('x offline');
    expect(said(all, 'p/x/temperature', '0')).toBe('readings');
  });

  it('is subscribed to', () => {
    expect(routerOf([stated('lwt/{device}')]).filters).toEqual(['plant/+/+/data', 'lwt/+']);
  });

  it('is that of the gateway where the topic names no device', () => {
    const house = { topic: 'house/{gateway}/{device}', availability: 'house/{gateway}/link' };
    expect(said(house, 'house/hub/link', 'offline')).toBe('hub offline');
    const named = { ...house, gateway: 'hub-{gateway}' };
    expect(said(named, 'house/1/link', 'online')).toBe('hub-1 online');
    expect(said({ ...house, availability: 'house/{device}/link' }, 'house/hub/link', '1')).toBe('hub online');
  });

  it('must name a device', () => {
    expect(() => routerOf([stated('plant/{line}/status')])).toThrow(/write \{device\} .* \{gateway\}/);
    expect(() => routerOf([stated('plant/status')])).toThrow(/names no device/);
    expect(() => routerOf([stated(['ok/{device}', 'plant/{x'])])).toThrow(/availability/);
  });
});

describe('the death of a Sparkplug node', () => {
  const body = (bdSeq: number | undefined) => {
    const whole = protobuf.Writer.create().uint32(8).uint64(Date.parse('2026-01-15T12:00:00Z'));
    const named = protobuf.Writer.create().uint32(10).string('bdSeq').uint32(32).uint32(8);
    if (bdSeq !== undefined) whole.uint32(18).bytes(named.uint32(88).uint64(bdSeq).finish());
    return whole.finish();
  };
  const death = (router: ReturnType<typeof routerOf>, bdSeq: number | undefined) =>
    said({}, 'spBv1.0/G/NDEATH/E', body(bdSeq), router);

  it('counts if it is of the session that the birth began', () => {
    const router = routerOf([{ preset: 'sparkplug-b' }]);
    // Before a birth was received there is nothing to compare it with.
    expect(death(router, 4)).toBe('G/E with its parts offline');
    said({}, 'spBv1.0/G/NBIRTH/E', body(5), router);
    expect(death(router, 4)).toBe('ignored');
    expect(death(router, 5)).toBe('G/E with its parts offline');
    expect(death(router, undefined)).toBe('G/E with its parts offline');
    said({}, 'spBv1.0/G/NBIRTH/E', body(6), router);
    expect(death(router, 5)).toBe('ignored');
  });
});

describe('the gateway of a device', () => {
  const gatewayOf = (route: object, topic: string) => {
    const decoded = feed(routerOf([route]), { topic, payload: '{"temperature":1}' });
    return decoded.kind === 'readings'
      ? decoded.readings.map(({ device, gateway }) => `${device} by ${gateway}`)
      : decoded;
  };

  test.each([
    [{ topic: 'farm/{gateway}/{device}' }, 'farm/g1/n1', 'n1 by g1'],
    [{ topic: 'farm/{house}/{device}', gateway: 'hub-{house}' }, 'farm/a/n1', 'n1 by hub-a'],
    [{ topic: 'farm/{house}/{device}', gateway: 'hub' }, 'farm/a/n1', 'n1 by hub'],
    [{ topic: 'farm/{device}' }, 'farm/n1', 'n1 by undefined'],
    [{ topic: 'farm/{gateway}/{device}' }, 'farm//n1', 'n1 by undefined'],
  ])('%j %s', (route, topic, expected) => {
    expect(gatewayOf({ codec: 'json', ...route }, topic)).toEqual([expected]);
  });

  it('the state of the Zigbee2MQTT bridge is that of the gateway that the route names', () => {
    const route = { preset: 'zigbee2mqtt', gateway: 'stick' };
    expect(said(route, 'zigbee2mqtt/bridge/state', '{"state":"offline"}')).toBe('stick offline');
    expect(gatewayOf(route, 'zigbee2mqtt/door')).toEqual(['door by stick']);
  });
});
