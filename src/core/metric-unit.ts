/** Units by the name of a metric: for display. Canonical for the core metrics, a guess for the rest. */
const UNITS: readonly (readonly [RegExp, string])[] = [
  [/^temperature$|(?:^|_)temperature$|_?temp_?c$|dew_?point/i, '°C'],
  [/^(?:humidity|battery)$|humidity$|percent|_pct$|^soil_moisture$|^brightness_pct$/i, '%'],
  [/^pressure$|_hpa$/i, 'hPa'],
  [/^rssi$|_dbm$|^tx_power$/i, 'dBm'],
  [/^(?:snr|rssi_db|noise|margin)$|_db$/i, 'dB'],
  [/^linkquality$/i, 'lqi'],
  [/^co2$|^e?co2_|voc_ppm$/i, 'ppm'],
  [/^(?:t?voc)$/i, 'ppb'],
  [/^pm_?\d+(?:[._]?\d)?$/i, 'µg/m³'],
  [/^(?:illuminance(?:_lux)?|lux|luminosity|light_lux)$/i, 'lx'],
  [/_mv$/i, 'mV'],
  [/^(?:battery_)?(?:voltage|volt|vcc)$|_v$/i, 'V'],
  [/_ma$/i, 'mA'],
  [/^current$|_a$/i, 'A'],
  [/(?:^|_)power$|^apower$|_w$/i, 'W'],
  [/^(?:energy|consumption)$|_kwh$/i, 'kWh'],
  [/^(?:aenergy_total|ret_aenergy_total)$|_wh$/i, 'Wh'],
  [/^freq(?:uency)?$/i, 'Hz'],
  [/_km_h$/i, 'km/h'],
  [/_m_s$/i, 'm/s'],
  [/_(?:rain|precip)?_?mm$/i, 'mm'],
  [/_deg$/i, '°'],
  [/^(?:lat|lon|latitude|longitude|gps_\d+_(?:latitude|longitude))$/i, '°'],
  [/^acceleration_[xyz]$/i, 'g'],
  [/^uptime$/i, 's'],
];

/** The unit that the database states for a metric. */
export type StatedUnit = (metric: string) => string | undefined;

const NOT_STATED: StatedUnit = () => undefined;

/**
 * The stated unit, otherwise by the name. Zigbee2MQTT's voltage is mV on batteries and V on mains: a value beyond any mains is mV.
 * `max` is the largest value.
 */
export function metricUnit(metric: string, max = 0, stated = NOT_STATED): string | undefined {
  const known = stated(metric);
  if (known !== undefined) return known;
  const unit = UNITS.find(([name]) => name.test(metric))?.[1];
  return unit === 'V' && max > 1000 ? 'mV' : unit;
}
