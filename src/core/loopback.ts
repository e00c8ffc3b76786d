/** Whether a host is this machine and reached by no other: the address or the name. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost\.?|.*\.localhost\.?|127\.[\d.]*|\[?::1\]?|\[?::ffff:127\.[\d.]*\]?)$/i.test(host);
