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
  const max = Math.max(1, ...hours)
  const width = 480
  const height = 96
  const step = width / Math.max(1, hours.length)
  const start = (i: number) => hourOf(now, hours.length, i)
  const link = (i: number) =>
    `/letters?tab=all&arrived_after=${encodeURIComponent(new Date(start(i)).toISOString())}&arrived_before=${encodeURIComponent(new Date(start(i) + hour).toISOString())}`
  return (
    <figure className="hours">
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} className="axis" />
        {hours.map((n, i) => {
          const h = n === 0 ? 0 : Math.max(3, (n / max) * (height - 8))
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: an hour is its place
            <Link key={i} href={link(i)} tabIndex={-1}>
              <rect x={i * step} y="0" width={step} height={height} className="hit">
                <title>{`${moment(new Date(start(i)))}–${moment(new Date(start(i) + hour))} · ${t('overview.hours.n', { n, count: count(n) })} · ${t('overview.hours.open')}`}</title>
              </rect>
              <rect x={i * step + 1.5} y={height - h} width={step - 3} height={h} rx="1.5" className="bar" />
            </Link>
          )
        })}
      </svg>
      <figcaption className="quiet small num">
        <span>{t('overview.hours.first')}</span>
        <span>{t('overview.hours.max', { n: max })}</span>
        <span>{t('overview.hours.last')}</span>
      </figcaption>
      <p className="quiet small">{t('overview.hours.text')}</p>
      <table className="off-screen">
        <caption>{t('overview.hours')}</caption>
        <tbody>
          {hours.map((n, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: an hour is its place
            <tr key={i}>
              <th scope="row">{moment(new Date(start(i)))}</th>
              <td>{count(n)}</td>
            </tr>
          ))}
        </tbody>
      </table>
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
