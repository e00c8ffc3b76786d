const encoder = new TextEncoder();

/**
 * A name as one topic level: `%` and what a level must not hold (`/`, the wildcards, control characters) as `%2F`, in
 * UTF-8, so that names and levels are one-to-one and can be decoded with decodeURIComponent.
 */
export function topicLevel(name: string): string {
  const escaped = name.replace(/[%/+#\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/gu, (character) =>
    [...encoder.encode(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
  return escaped === '' ? '%' : escaped;
}

/** The literal reading of a type: `flow_rate_high` is that `flow_rate` is high. */
const SUFFIX = /_(?:high|low|anomaly|no_data)$/;

/**
 * `fieldwatch/alerts/<sensor>/<type>`, with the metric as another level if the type reads as another metric's: the
 * rate of `flow` and the threshold of `flow_rate` are both `flow_rate_high`, and the end of one must not clear the
 * retained message of the other.
 */
export function alertTopic(
  prefix: string,
  { sensorKey, alertType, metric }: { sensorKey: string; alertType: string; metric?: string },
): string {
  const topic = `${prefix}/${topicLevel(sensorKey)}/${topicLevel(alertType)}`;
  if (metric === undefined || metric === '' || metric === alertType.replace(SUFFIX, '')) return topic;
  return `${topic}/${topicLevel(metric)}`;
}
