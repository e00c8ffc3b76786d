import type { YAMLParseError } from 'yaml';

/** Messages of ours, because some of the parser's quote the source text, and with it perhaps a password. */
const MESSAGES: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias can have no anchor or tag of its own',
  BAD_ALIAS: 'a malformed anchor or alias name',
  BAD_DIRECTIVE: 'an unknown %-directive',
  BAD_DQ_ESCAPE:
    'an unknown escape sequence in double quotes; write \\\\ for a backslash or use single quotes',
  BAD_INDENT: 'indentation does not match the lines around it, or a [ or { above is not closed',
  BAD_PROP_ORDER: 'an anchor or tag in the wrong place',
  BAD_SCALAR_START: 'text cannot start with this character (@, `, %, …); put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a nested mapping on one line; break the line, or quote a text that contains ": "',
  BLOCK_IN_FLOW: 'indented lists and mappings cannot stand inside [ ] or { }',
  KEY_OVER_1024_CHARS: 'a key longer than 1024 characters',
  MISSING_CHAR: 'a character is missing here: a space after ":" or "-", a closing quote, or a ] or }',
  MULTILINE_IMPLICIT_KEY: 'a key cannot span lines; a quote or a ":" may be missing',
  MULTIPLE_ANCHORS: 'two anchors on one value',
  MULTIPLE_DOCS: 'a second document: one file holds one configuration',
  MULTIPLE_TAGS: 'two tags on one value',
  NON_STRING_KEY: 'a key must be text',
  RESOURCE_EXHAUSTION: 'nested too deep',
  TAB_AS_INDENT: 'a tab: indent with spaces',
  TAG_RESOLVE_FAILED: 'an unknown tag or a value that does not fit it',
  UNEXPECTED_TOKEN: 'unexpected here; a quote, a comma or a ":" may be missing',
};

export function syntaxMessage(error: YAMLParseError): string {
  return `YAML syntax: ${MESSAGES[error.code] ?? `cannot be read (${error.code})`}`;
}
