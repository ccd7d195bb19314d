import { useEffect, useRef } from 'react'
import type { Letter, ListTab } from '../api/types'
import { count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { ProblemBox } from '../parts/Problem'
import { Row } from './Row'
import { marked, type Selection } from './selection'
import type { useLetters } from './useLetters'

interface Props {
  list: ReturnType<typeof useLetters>
  tab: ListTab
  cursor: string
  selection: Selection
  address: (id: string, whole: boolean) => string
  onPick: (l: Letter) => void
  onSelect: (l: Letter, range: boolean) => void
  onSelectAll: () => void
}

type Total = NonNullable<ReturnType<typeof useLetters>['total']>

/** How many letters the list has, and of a window of arrival how many deaths of theirs were read in it. */
function totalWords(total: Total, deaths: Total | undefined): string {
  const letters = t('letters', { n: total.count, count: count(total.count, total.exact) })
  if (!deaths) return letters
  return t('list.deaths', { n: deaths.count, count: count(deaths.count, deaths.exact), letters })
}

export function List({ list, tab, cursor, selection, address, onPick, onSelect, onSelectAll }: Props) {
  const { items, total } = list
  const n = items.filter(l => marked(selection, l.id)).length
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (box.current) box.current.indeterminate = n > 0 && n < items.length
  }, [n, items.length])
  return (
    <>
      <table className="list">
        <thead>
          <tr>
            <th scope="col" className="c-select">
              <label>
                <input
                  ref={box}
                  type="checkbox"
                  aria-label={t('list.select.all')}
                  checked={n > 0 && n === items.length}
                  onChange={onSelectAll}
                />
              </label>
            </th>
            <th scope="col" className="c-main">
              {total ? <span className="num">{totalWords(total, list.deaths)}</span> : t('list.letter')}
            </th>
            <th scope="col" className="c-where">
              {t('list.where')}
            </th>
            <th scope="col" className="c-marks">
              <span className="off-screen">{t('list.marks')}</span>
            </th>
            <th scope="col" className="c-age">
              {t('list.died')}
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map(l => (
            <Row
              key={l.id}
              letter={l}
              tab={tab}
              href={address(l.id, true)}
              current={l.id === cursor}
              selected={marked(selection, l.id)}
              onPick={onPick}
              onSelect={onSelect}
            />
          ))}
        </tbody>
      </table>
      <footer className="list-foot">
        {list.error && <ProblemBox error={list.error} again={list.more} />}
        {list.examined ? <p className="quiet small">{t('list.examined', { n: list.examined })}</p> : null}
        {list.searchLag ? <p className="quiet small">{t('list.lag', { n: list.searchLag })}</p> : null}
        {list.hasMore && !list.error && <More busy={list.loadingMore} onMore={list.more} shown={items.length} />}
      </footer>
    </>
  )
}

/** Asks for the next page when it comes into sight; also a button, for those who do not scroll. */
function More({ busy, onMore, shown }: { busy: boolean; onMore: () => void; shown: number }) {
  const ref = useRef<HTMLButtonElement>(null)
  const more = useRef(onMore)
  more.current = onMore
  // biome-ignore lint/correctness/useExhaustiveDependencies: after each page the button may still be in sight
  useEffect(() => {
    if (busy || !ref.current) return
    const seen = new IntersectionObserver(es => es.some(e => e.isIntersecting) && more.current(), {
      rootMargin: '300px',
    })
    seen.observe(ref.current)
    return () => seen.disconnect()
  }, [busy, shown])
  return (
    <button ref={ref} type="button" className="button small" disabled={busy} onClick={onMore}>
      {busy ? t('loading') : t('list.more')}
    </button>
  )
}
