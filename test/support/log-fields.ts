/** Names of fields that are not `snake_case`, the one way in which log lines are searched. Values may have keys of the user: `labels`. */
export const misnamedFields = (fields: object): readonly string[] =>
  Object.keys(fields).filter((name) => !/^[a-z][a-z0-9_]*$/.test(name));
