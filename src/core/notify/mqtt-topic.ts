const encoder = new TextEncoder();

/**
 * A name as one level of a topic: `%` and what a level must not hold (`/`, the wildcards, control characters) as `%2F`,
 * in UTF-8, so that every name has a level of its own and can be read back with decodeURIComponent.
 */
export function topicLevel(name: string): string {
  const escaped = name.replace(/[%/+#\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/gu, (character) =>
    [...encoder.encode(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
  return escaped === '' ? '%' : escaped;
}

/** `fieldwatch/alerts/<sensor>/<type>`. */
export const alertTopic = (prefix: string, sensorKey: string, alertType: string): string =>
  `${prefix}/${topicLevel(sensorKey)}/${topicLevel(alertType)}`;
