// Numbers in words, the same in every demo.

/** A probability, never rounded to a certainty that is none; it keeps together on a line. */
export function percent(share, under = "under", over = "over") {
  if (share > 0.995 && share < 1) return `${over}\u00a099\u00a0%`;
  if (share < 0.005) return `${under}\u00a01\u00a0%`;
  return `${Math.round(100 * share)}\u00a0%`;
}
