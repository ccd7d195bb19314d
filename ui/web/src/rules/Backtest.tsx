import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { ask, type Problem } from '../api/client'
import { type Letter, titleOf } from '../api/types'
import { count } from '../i18n/format'
import { code, t } from '../i18n/i18n'
import { Reason, RouteMark } from '../letters/words'
import { Dialog } from '../parts/Dialog'
import { More } from '../parts/More'
import { middle } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import type { Figures } from './useRulesText'

const routes = ['retry', 'manual', 'compensate', 'discard'] as const

interface Cell {
  now?: string
  then?: string
  rule_now?: string
  rule_then?: string
  changed?: boolean
}

/** What the text would change, over the newest stored letters. Every number opens its letters. */
export function Backtest({
  text,
  figures,
  stale,
  problem,
  wrong,
  untouched,
}: {
  text: string
  figures: Figures | undefined
  /** The figures are about an older text. */
  stale: boolean
  problem: Problem | undefined
  /** The text has errors and cannot be tried. */
  wrong: boolean
  /** The text is that of the file. */
  untouched: boolean
}) {
  const [cell, setCell] = useState<Cell>()
  const shown = routes.filter(r => figures?.matrix.some(m => m.now === r || m.then === r))
  const of = (now: string, then: string) => figures?.matrix.find(m => m.now === now && m.then === then)?.count ?? 0
  const moved = (figures?.rules ?? []).filter(r => r.now !== r.then)
  const busy = figures !== undefined && (!figures.finished || stale) && !wrong
  return (
    <section aria-label={t('backtest')} className="backtest" aria-busy={busy}>
      <div className="backtest-head">
        <h2>{t('backtest')}</h2>
        {figures && (
          <output className={stale || wrong ? 'quiet' : undefined}>
            {figures.changed > 0 ? (
              <button type="button" className="link strong" onClick={() => setCell({ changed: true })}>
                {t('backtest.changed', { n: figures.changed, of: count(figures.done) })}
              </button>
            ) : figures.total === 0 ? (
              t('backtest.empty')
            ) : (
              t(untouched && !stale ? 'backtest.same' : 'backtest.none', { of: count(figures.done) })
            )}
          </output>
        )}
        {wrong && <span className="amber">{t('backtest.wrong')}</span>}
        {busy && (
          <progress max={figures.total || 1} value={stale ? undefined : figures.done} aria-label={t('backtest.busy')} />
        )}
      </div>
      {problem && !wrong && <ProblemBox error={problem} />}
      {figures && figures.total > 0 && (
        <div className={`backtest-body${stale || wrong ? ' stale' : ''}`}>
          <table className="matrix">
            <caption className="off-screen">{t('backtest.matrix')}</caption>
            <thead>
              <tr>
                <th scope="col">
                  <span className="quiet">{t('backtest.axis')}</span>
                </th>
                {shown.map(r => (
                  <th key={r} scope="col">
                    <RouteMark route={r} words />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map(now => (
                <tr key={now}>
                  <th scope="row">
                    <RouteMark route={now} words />
                  </th>
                  {shown.map(then => {
                    const n = of(now, then)
                    return (
                      <td key={then} className={`num${now !== then && n > 0 ? ' moves' : ''}`}>
                        {n > 0 ? (
                          <button
                            type="button"
                            aria-label={t('backtest.cell', { n, now: code('route', now), next: code('route', then) })}
                            onClick={() => setCell({ now, then })}
                          >
                            {count(n)}
                          </button>
                        ) : (
                          <span className="quiet">·</span>
                        )}
                      </td>
                    )
                  })}
                </tr>
              ))}
            </tbody>
          </table>
          {moved.length > 0 && (
            <table className="moved">
              <caption>{t('backtest.rules')}</caption>
              <tbody>
                {moved.slice(0, 12).map(r => (
                  <tr key={r.name}>
                    <th scope="row">
                      {r.name ? <Foreign text={middle(r.name, 48)} /> : <em>{t('backtest.norule')}</em>}
                    </th>
                    <td className="num">
                      <button type="button" onClick={() => setCell({ rule_now: r.name })}>
                        {count(r.now)}
                      </button>
                    </td>
                    <td aria-hidden="true">→</td>
                    <td className="num">
                      <button type="button" onClick={() => setCell({ rule_then: r.name })}>
                        {count(r.then)}
                      </button>
                    </td>
                    <td className={`num ${r.then > r.now ? 'up' : 'down'}`}>
                      {r.then > r.now ? '+' : '−'}
                      {count(Math.abs(r.then - r.now))}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      )}
      {cell && <Behind text={text} cell={cell} onClose={() => setCell(undefined)} />}
    </section>
  )
}

interface Behinds {
  items: { letter: Letter; now: string; then: string; rule_now: string; rule_then: string }[]
  next?: string
}

/** The letters behind a number. */
function Behind({ text, cell, onClose }: { text: string; cell: Cell; onClose: () => void }) {
  const query = useInfiniteQuery({
    queryKey: ['backtest', text, cell],
    queryFn: ({ pageParam, signal }) =>
      ask<Behinds>('/rules/backtest', { text, cell, ...(pageParam && { before: pageParam }) }, signal),
    initialPageParam: '',
    getNextPageParam: page => page.next || undefined,
    gcTime: 0,
  })
  const items = query.data?.pages.flatMap(p => p.items) ?? []
  return (
    <Dialog title={t('backtest.letters')} kind="sheet" onClose={onClose}>
      <div className="dialog-body">
        {query.error && <ProblemBox error={query.error} again={() => query.refetch()} />}
        {!query.data && !query.error && <Wait lines={8} />}
        <ul className="behind">
          {items.map(({ letter: l, now, then, rule_now, rule_then }) => (
            <li key={l.id}>
              <div className="line">
                <Reason reason={l.reason} className="reason" />
                <Link href={`/letters/${l.id}`} className="mono">
                  <Foreign text={middle(titleOf(l), 40)} />
                </Link>
                <span className="quiet">
                  <Foreign text={l.consumer_group} />
                </span>
                <Time at={l.died_at} />
              </div>
              <div className="line quiet">
                <RouteMark route={now} words /> <Foreign text={rule_now || t('backtest.norule')} />
                <span aria-hidden="true">→</span>
                <RouteMark route={then} words /> <Foreign text={rule_then || t('backtest.norule')} />
              </div>
            </li>
          ))}
        </ul>
        {query.data && items.length === 0 && <p className="quiet">{t('backtest.nobody')}</p>}
        <More query={query} />
      </div>
    </Dialog>
  )
}
