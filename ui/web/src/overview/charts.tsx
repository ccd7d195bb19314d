import { type KeyboardEvent, useRef, useState } from 'react'
import { Link } from 'wouter'
import { type Facet, type Tab, tabs } from '../api/types'
import { count, moment } from '../i18n/format'
import { codeWords, t } from '../i18n/i18n'
import { plain } from '../parts/mask'
import { Name } from '../parts/Text'
import { useNow } from '../parts/Time'

const hour = 3_600_000

/** When the hour of a bar begins: hours are those of the clock, and the last one is running. */
export const hourOf = (now: number, bars: number, i: number): number =>
  Math.floor(now / hour) * hour - (bars - 1 - i) * hour

/** Deaths read in the last 24 hours, a bar for each. A bar opens the letters of these deaths, in whatever state they are. */
export function Hours({ hours }: { hours: readonly number[] }) {
  const now = useNow(60_000)
  const bars = useRef<HTMLDivElement>(null)
  // One stop for the Tab key; the arrow keys go from bar to bar.
  const [at, setAt] = useState(hours.length - 1)
  const max = Math.max(1, ...hours)
  const start = (i: number) => hourOf(now, hours.length, i)
  const link = (i: number) =>
    `/letters?tab=all&arrived_after=${encodeURIComponent(new Date(start(i)).toISOString())}&arrived_before=${encodeURIComponent(new Date(start(i) + hour).toISOString())}`
  const words = (n: number, i: number) =>
    `${moment(new Date(start(i)))}–${moment(new Date(start(i) + hour))} · ${t('overview.hours.n', { n, count: count(n) })} · ${t('overview.hours.open')}`
  const move = (e: KeyboardEvent) => {
    const last = hours.length - 1
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[e.key]
    if (to === undefined) return
    e.preventDefault()
    const next = Math.min(Math.max(to, 0), last)
    setAt(next)
    bars.current?.querySelectorAll('a')[next]?.focus()
  }
  return (
    <figure className="hours">
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields */}
      <div className="hours-bars" role="group" aria-label={t('overview.hours')} ref={bars} onKeyDown={move}>
        {hours.map((n, i) => (
          <Link
            // biome-ignore lint/suspicious/noArrayIndexKey: an hour is its place
            key={i}
            href={link(i)}
            tabIndex={i === at ? 0 : -1}
            title={words(n, i)}
            aria-label={words(n, i)}
            onFocus={() => setAt(i)}
          >
            <span style={{ blockSize: n === 0 ? 0 : `max(3px, ${(n / max) * 92}%)` }} />
          </Link>
        ))}
      </div>
      <figcaption className="quiet small num">
        <span>{t('overview.hours.first')}</span>
        <span>{t('overview.hours.max', { n: max })}</span>
        <span>{t('overview.hours.last')}</span>
      </figcaption>
      <p className="quiet small">{t('overview.hours.text')}</p>
    </figure>
  )
}

/** All letters by tab, as one bar and its legend. */
export function Split({ tabs: counts }: { tabs: Partial<Record<Tab, number>> }) {
  const total = tabs.reduce((sum, tab) => sum + (counts[tab] ?? 0), 0)
  let x = 0
  return (
    <div className="split-chart">
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        {tabs.map(tab => {
          const w = total ? (100 * (counts[tab] ?? 0)) / total : 0
          x += w
          return <rect key={tab} x={x - w} y="0" width={w} height="6" className={`part ${tab}`} />
        })}
        {total === 0 && <rect width="100" height="6" className="part none" />}
      </svg>
      <ul>
        {tabs.map(tab => (
          <li key={tab}>
            <Link href={tab === 'attention' ? '/letters' : `/letters?tab=${tab}`}>
              <span className={`dot ${tab}`} />
              <span className="grow">{t(`tab.${tab}`)}</span>
              <span className="num">{count(counts[tab] ?? 0)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </div>
  )
}

/** The values that most letters have, as bars that open their list. */
export function Bars({ facets, field, empty }: { facets: readonly Facet[]; field: string; empty: string }) {
  const max = Math.max(1, ...facets.map(f => f.count))
  const shown = facets.slice(0, 7)
  const rest = facets.slice(7).reduce((sum, f) => sum + f.count, 0)
  if (facets.length === 0) return <p className="quiet">{empty}</p>
  return (
    <ul className="bars">
      {shown.map(f => (
        <li key={f.value}>
          <Link href={`/letters?${field}=${encodeURIComponent(f.value)}`} title={plain(f.value)}>
            <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
              <rect width={(100 * f.count) / max} height="1" />
            </svg>
            <span className="grow">
              {codeWords(field, f.value) ?? (f.value ? <Name text={f.value} tail={16} /> : t('facet.none'))}
            </span>
            <span className="num">{count(f.count)}</span>
          </Link>
        </li>
      ))}
      {rest > 0 && (
        <li className="quiet">
          <span className="grow">{t('overview.rest', { n: facets.length - 7 })}</span>{' '}
          <span className="num">{count(rest)}</span>
        </li>
      )}
    </ul>
  )
}
