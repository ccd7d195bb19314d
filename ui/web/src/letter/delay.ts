import type { ReplayOptions } from '../api/types'
import { parseDuration } from '../i18n/format'

/** How long a replay shall wait, as the form has it. */
export interface DelayWish {
  /** "" at once, a level's duration, "own" or "at". */
  choice: string
  n: string
  unit: 's' | 'm' | 'h'
  /** Local date and time. */
  at: string
}

/** What the broker makes of a wish. */
export interface DelayPlan {
  /** In the API's form. */
  delay?: string
  deliverAt?: Date
  say?: 'level' | 'timer' | 'up'
  /** The level that the broker takes, and its duration. */
  level?: { level: number; delay: string }
  wrong?: 'none' | 'late' | 'past' | 'timer_late'
  /** The longest that the broker waits. */
  most?: string
}

/** The wish that stands for the delay that the console proposes. */
export function firstWish(o: Pick<ReplayOptions, 'default_delay' | 'levels'>): DelayWish {
  const ms = parseDuration(o.default_delay)
  const none: DelayWish = { choice: '', n: '5', unit: 'm', at: '' }
  if (!(ms > 0)) return none
  return (o.levels ?? []).some(l => l.delay === o.default_delay)
    ? { ...none, choice: o.default_delay }
    : { ...none, choice: 'own', n: String(Math.ceil(ms / 1000)), unit: 's' }
}

/**
 * What becomes of a wish on this broker, by the rule of the program: a duration that no level has goes to the timer where
 * there is one, else it is rounded up to the next level, and above the longest it is refused.
 */
export function planDelay(
  w: DelayWish,
  o: Pick<ReplayOptions, 'levels' | 'timer_max'>,
  door: { delays: boolean; timer: boolean },
  now: number,
): DelayPlan {
  const max = o.timer_max ? parseDuration(o.timer_max) : Number.POSITIVE_INFINITY
  const most = o.timer_max ? { most: o.timer_max } : {}
  if (w.choice === '' || !(door.delays || door.timer)) return {}
  if (w.choice === 'at') {
    if (!door.timer || !w.at) return {}
    const deliverAt = new Date(w.at)
    const ms = deliverAt.getTime() - now
    return { deliverAt, ...(ms <= 0 ? { wrong: 'past' } : ms > max ? { wrong: 'timer_late', ...most } : {}) }
  }
  if (w.choice !== 'own') return { delay: w.choice }
  const n = Number(w.n)
  if (!Number.isInteger(n) || n <= 0) return { wrong: 'none' }
  const delay = `${n}${w.unit}`
  const ms = parseDuration(delay)
  const levels = [...(o.levels ?? [])].sort((a, b) => parseDuration(a.delay) - parseDuration(b.delay))
  const level = levels.find(l => parseDuration(l.delay) >= ms)
  if (door.delays && level && parseDuration(level.delay) === ms) return { delay, level, say: 'level' }
  if (door.timer) return ms > max ? { wrong: 'late', ...most } : { delay, say: 'timer' }
  if (level) return { delay, level, say: 'up' }
  return { wrong: 'late', most: levels.at(-1)?.delay ?? '0s' }
}
