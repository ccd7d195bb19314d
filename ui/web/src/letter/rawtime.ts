/** What a number that is no time in milliseconds may have been meant as: microseconds or nanoseconds near today. */
export function unitOf(raw: string, now = Date.now()): { unit: 'us' | 'ns'; at: string } | undefined {
  const near = 20 * 365 * 86_400_000
  for (const [unit, per] of [
    ['us', 1e3],
    ['ns', 1e6],
  ] as const) {
    const ms = Number(raw) / per
    if (Math.abs(ms - now) < near) return { unit, at: new Date(ms).toISOString() }
  }
  return undefined
}
