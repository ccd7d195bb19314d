import { useSyncExternalStore } from 'react'
import { age, clock, duration, exact, moment } from '../i18n/format'
import { t } from '../i18n/i18n'

// One clock for the whole page, so that all ages move at the same instant.
let now = Date.now()
let timer = 0
const listeners = new Set<() => void>()

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  if (listeners.size === 1) {
    now = Date.now()
    timer = window.setInterval(() => {
      now = Date.now()
      for (const l of listeners) l()
    }, 1000)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) clearInterval(timer)
  }
}

/** The page's clock, in steps of so many milliseconds. */
export function useNow(step = 1000): number {
  return useSyncExternalStore(subscribe, () => Math.floor((listeners.size ? now : Date.now()) / step) * step)
}

type Form = 'age' | 'ago' | 'in' | 'moment' | 'clock'

/** An instant of the API. The exact one with its zone is shown on hover. */
export function Time({ at, form = 'ago' }: { at: string; form?: Form }) {
  const date = new Date(at)
  const n = useNow(form === 'in' ? 1000 : 5000)
  let text: string
  switch (form) {
    case 'age':
      text = age(n - date.getTime())
      break
    case 'ago': {
      const ms = n - date.getTime()
      text = ms < 5000 ? t('dur.now') : t('time.ago', { d: age(ms) })
      break
    }
    case 'in': {
      const ms = date.getTime() - n
      text = ms <= 0 ? t('dur.now') : t('time.in', { d: duration(ms) })
      break
    }
    case 'moment':
      text = moment(date, new Date(n))
      break
    case 'clock':
      text = clock(date)
      break
  }
  return (
    <time dateTime={at} title={exact(date)}>
      {text}
    </time>
  )
}
