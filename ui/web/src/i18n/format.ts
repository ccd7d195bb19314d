import { formatNumber, locale, t } from './i18n'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Milliseconds as people say them: 3 m, 2 h 10 m, 4 d. Two units at most, the second only where it matters. */
export function duration(ms: number): string {
  const abs = Math.max(0, ms)
  if (abs < second) return abs === 0 ? t('dur.s', { n: 0 }) : t('dur.ms', { n: Math.round(abs) })
  if (abs < minute) return t('dur.s', { n: Math.floor(abs / second) })
  if (abs < hour) return two(abs, minute, second, 'dur.m', 'dur.s', 10)
  if (abs < day) return two(abs, hour, minute, 'dur.h', 'dur.m', 10)
  return two(abs, day, hour, 'dur.d', 'dur.h', 4)
}

type Unit = 'dur.d' | 'dur.h' | 'dur.m' | 'dur.s'

function two(ms: number, big: number, small: number, bigKey: Unit, smallKey: Unit, upTo: number): string {
  const n = Math.floor(ms / big)
  const rest = Math.floor((ms % big) / small)
  return rest > 0 && n < upTo ? `${t(bigKey, { n })} ${t(smallKey, { n: rest })}` : t(bigKey, { n })
}

/** How long ago, in one unit: what a list shows. */
export function age(ms: number): string {
  if (ms < 5 * second) return t('dur.now')
  if (ms < minute) return t('dur.s', { n: Math.floor(ms / second) })
  if (ms < hour) return t('dur.m', { n: Math.floor(ms / minute) })
  if (ms < day) return t('dur.h', { n: Math.floor(ms / hour) })
  return t('dur.d', { n: Math.floor(ms / day) })
}

const units: Record<string, number> = { d: day, h: hour, m: minute, s: second, ms: 1, µs: 1e-3, ns: 1e-6 }

/** Reads a duration of the API (10s, 5m, 1h30m, 2d) into milliseconds; NaN when it is none. */
export function parseDuration(text: string): number {
  const parts = text.match(/\d+(?:\.\d+)?(?:ms|µs|ns|[dhms])/g)
  if (!parts || parts.join('') !== text) return Number.NaN
  let total = 0
  for (const part of parts) {
    const unit = part.replace(/[\d.]+/, '')
    total += Number.parseFloat(part) * (units[unit] ?? Number.NaN)
  }
  return total
}

/** A duration of the API in words; what cannot be read is shown as it is. */
export function apiDuration(text: string): string {
  const ms = parseDuration(text)
  return Number.isNaN(ms) ? text : duration(ms)
}

const formats = new Map<string, Intl.DateTimeFormat>()

function format(kind: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale()} ${kind}`
  let f = formats.get(key)
  if (!f) {
    f = new Intl.DateTimeFormat(locale(), options)
    formats.set(key, f)
  }
  return f
}

/** The exact instant with its zone, for hovers. */
export function exact(at: Date): string {
  return format('exact', {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
    timeZoneName: 'short',
  }).format(at)
}

/** Day and time of day as a person writes them; today's day is left out. */
export function moment(at: Date, now = new Date()): string {
  const clock = format('clock', { hour: '2-digit', minute: '2-digit' }).format(at)
  if (at.toDateString() === now.toDateString()) return clock
  const withYear = at.getFullYear() !== now.getFullYear()
  const date = format(withYear ? 'dateyear' : 'date', {
    month: 'short',
    day: 'numeric',
    ...(withYear ? { year: 'numeric' as const } : {}),
  }).format(at)
  return `${date} ${clock}`
}

/** Time of day with seconds, for what lies close together. */
export function clock(at: Date): string {
  return format('seconds', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(at)
}

/** A number of letters; a capped one says so. */
export function count(n: number, exact = true): string {
  return formatNumber(n) + (exact || n === 0 ? '' : '+')
}

/** Bytes as people say them. */
export function bytes(n: number): string {
  if (n < 1024) return `${formatNumber(n)} B`
  if (n < 1024 * 1024) return `${formatNumber(n / 1024)} KB`
  return `${formatNumber(n / 1024 / 1024)} MB`
}
