/** A digest of each section of a member's configuration that decides which rows its readings become, by its name. */
export type SectionDigests = Readonly<Record<string, string>>;
