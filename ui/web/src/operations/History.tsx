import { useMemo } from 'react'
import { clock, count } from '../i18n/format'
import { formatNumber, t } from '../i18n/i18n'
import { Wait } from '../parts/Wait'
import '../style/history.css'
import { useHistory } from './api'
import { type Bar, bars } from './bars'
import type { Operation } from './types'
import { itemWord } from './words'

const width = 720
const height = 150
const top = 6

/** How fast letters were sent, and what became of them, over time: a line over bars, in letters per second. */
export function History({ o }: { o: Operation }) {
  const query = useHistory(o)
  const chart = useMemo(() => (query.data ? bars(query.data, o) : undefined), [query.data, o])
  if (!query.data) return <Wait lines={4} />
  if (!chart || chart.list.length === 0) return <p className="quiet">{t('history.none')}</p>
  const { list, max, states, slot } = chart
  const step = width / Math.max(list.length, 12)
  const y = (perSecond: number) => height - (perSecond / max) * (height - top)
  const first = list[0] as Bar
  const last = list[list.length - 1] as Bar
  const line = list
    .map((b, i) => `${i === 0 ? 'M' : 'L'}${((i + 0.5) * step).toFixed(1)} ${y(b.sent).toFixed(1)}`)
    .join('')
  const say = (b: Bar) =>
    [
      clock(new Date(b.at)),
      t('history.sent.at', { n: formatNumber(b.sent) }),
      ...b.parts.map(p => `${count(p.n)} ${itemWord(p.state)}`),
    ].join(' · ')
  return (
    <figure className="op-history">
      <div className="op-plot">
        <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
          <line x1="0" x2={width} y1={y(max / 2)} y2={y(max / 2)} className="grid" />
          {list.map((b, i) => {
            let up = 0
            return (
              <g key={b.at}>
                {b.parts.map(p => {
                  const perSecond = p.n / slot
                  up += perSecond
                  return (
                    <rect
                      key={p.state}
                      x={i * step + step * 0.1}
                      y={y(up)}
                      width={step * 0.8}
                      height={Math.max(0, height - y(perSecond))}
                      className={`item-${p.state}`}
                    />
                  )
                })}
                <rect x={i * step} y="0" width={step} height={height} className="hit">
                  <title>{say(b)}</title>
                </rect>
              </g>
            )
          })}
          <path d={line} className="line" vectorEffect="non-scaling-stroke" />
          <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} className="axis" />
        </svg>
        <span className="op-plot-max quiet num">{t('operation.rate', { n: formatNumber(nice(max)) })}</span>
      </div>
      <div className="op-plot-ends quiet small num">
        <span>{clock(new Date(first.at))}</span>
        <span>{clock(new Date(last.at + slot * 1000))}</span>
      </div>
      <figcaption>
        <span>
          <span className="op-line-mark" /> {t(o.kind === 'replay' ? 'history.sent' : 'history.done')}
        </span>
        {states.map(s => (
          <span key={s}>
            <span className={`op-dot item-${s}`} /> {itemWord(s)}
          </span>
        ))}
      </figcaption>
      <table className="off-screen">
        <caption>{t('history')}</caption>
        <tbody>
          {list
            .filter(b => b.sent > 0 || b.parts.length > 0)
            .map(b => (
              <tr key={b.at}>
                <th scope="row">{clock(new Date(b.at))}</th>
                <td>{say(b)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </figure>
  )
}

const nice = (n: number): number => (n < 10 ? Math.round(n * 10) / 10 : Math.round(n))
