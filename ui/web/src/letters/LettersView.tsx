import { Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useLocation, useSearch } from 'wouter'
import { useFacets, useRights } from '../api/queries'
import { type Facets as Counts, type Letter, type ListTab, listTabs, tabOf, tabs } from '../api/types'
import { useKeys } from '../app/keys'
import { usePanes } from '../app/width'
import { count } from '../i18n/format'
import { t, withWords } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { ProblemBox } from '../parts/Problem'
import { Wait } from '../parts/Wait'
import '../style/letters.css'
import '../style/list.css'
import { part } from '../app/part'
import { BulkBar } from './BulkBar'
import { FilterChips } from './Chips'
import { Elsewhere } from './Elsewhere'
import { Empty } from './Empty'
import { Facets, inexact } from './Facets'
import { type Filter, filterQuery, filterSearch, parseFilter } from './filter'
import { List } from './List'
import { mistakesIn } from './mistakes'
import { mark, markAll, markMatching, markRange, nothing } from './selection'
import { type Show, showOf } from './show'
import { useLetters } from './useLetters'

const LetterPane = part(() =>
  withWords(['letter', 'codes', 'dialogs', 'edit', 'errors', 'rules'], import('../letter/LetterPane')),
)
const Mistakes = part(() =>
  withWords(
    ['dialogs'],
    import('./Mistakes').then(m => ({ default: m.Mistakes })),
  ),
)
const ProbeSample = part(() => withWords(['edit', 'dialogs'], import('../letter/ProbeSample')))

// What is shown while the filter cannot be understood.
const nobody: Letter[] = []
const none: Counts = { consumer_groups: [], topics: [], reasons: [], rules: [], routes: [], tabs: {}, exact: true }

/** The list and, beside or over it, one letter. `whole` is the letter that has the view to itself. */
export default function LettersView({ whole: alone }: { whole?: string | undefined }) {
  const [, go] = useLocation()
  const search = useSearch()
  const panes = usePanes()
  const filter = useMemo(() => parseFilter(search), [search])
  const mistakes = useMemo(() => mistakesIn(search), [search])
  const wrong = mistakes.length > 0
  const own = filterSearch(filter).toString()
  const beside = new URLSearchParams(search).get('letter') ?? ''
  // Where there is no room beside the list, a letter has the view to itself, whichever link led to it.
  const whole = alone ?? ((panes === 1 && beside) || undefined)
  const open = whole ?? beside
  const show = showOf(search)

  const list = useLetters(filter, !wrong)
  const facets = useFacets(filterQuery(filter, Date.now()), !wrong)
  const [selection, setSelection] = useState(nothing)
  const [cursor, setCursor] = useState(open)
  const [folded, setFolded] = useState(false)
  const rights = useRights()
  // The list is one failure group: a few of its letters can be asked why they fail.
  const alike = filter.any.fingerprint?.length === 1 ? filter.any.fingerprint[0] : undefined
  const [sampling, setSampling] = useState(false)
  const scroller = useRef<HTMLDivElement>(null)

  // Before the next key: a step that comes after it would be taken back.
  useLayoutEffect(() => {
    if (open) setCursor(open)
  }, [open])
  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter is another list
  useEffect(() => {
    setSelection(nothing)
    scroller.current?.scrollTo(0, 0)
  }, [own])

  const address = useCallback(
    (id: string, all: boolean, tab: Show = show) => {
      const p = new URLSearchParams(own)
      if (id && !all) p.set('letter', id)
      if (id && tab !== 'why') p.set('show', tab)
      return `/letters${all ? `/${id}` : ''}${p.size ? `?${p}` : ''}`
    },
    [own, show],
  )
  const setFilter = (f: Filter) => {
    const p = filterSearch(f)
    if (beside && panes > 1) {
      p.set('letter', beside)
      if (show !== 'why') p.set('show', show)
    }
    go(`/letters${p.size ? `?${p}` : ''}`)
  }
  const pick = useCallback((l: Letter) => go(address(l.id, panes === 1)), [go, address, panes])
  const items = wrong ? nobody : list.items
  const marking = selection.all !== undefined || selection.letters.size > 0
  const select = useCallback(
    (l: Letter, range: boolean) => setSelection(s => (range ? markRange(s, l, items) : mark(s, l))),
    [items],
  )
  const move = (by: number) => {
    const at = items.findIndex(l => l.id === cursor)
    const next = items[at < 0 ? 0 : Math.min(items.length - 1, Math.max(0, at + by))]
    if (!next) return
    setCursor(next.id)
    if (whole) go(address(next.id, true), { replace: true })
    else if (panes > 1) go(address(next.id, false), { replace: true })
    if (at + by >= items.length - 5 && list.hasMore && !list.loadingMore) list.more()
    if (!whole) {
      const row = document.getElementById(`row-${next.id}`)
      row?.scrollIntoView({ block: 'nearest' })
      row?.querySelector<HTMLElement>('.title')?.focus({ preventScroll: true })
    }
  }
  const current = items.find(l => l.id === cursor)
  const back = () => {
    if (marking) setSelection(nothing)
    else if (whole) go(address(panes > 1 ? whole : '', false))
    else if (beside) go(address('', false))
  }
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => cursor && go(address(cursor, true)),
    Escape: back,
    x: () => current && setSelection(s => mark(s, current)),
    X: () => current && setSelection(s => markRange(s, current, items)),
    ...Object.fromEntries(tabs.map((tab, i) => [String(i + 1), () => setFilter({ ...filter, tab })])),
  })

  // All tabs as one are shown to those who came by a link that asks for them.
  const shownTabs: readonly ListTab[] = filter.tab === 'all' ? listTabs : tabs
  const counts = wrong ? undefined : facets.data?.tabs
  // On a phone the last tabs lie beyond the edge; counts make them wider when they come.
  const counted = counts !== undefined
  // biome-ignore lint/correctness/useExhaustiveDependencies: what moves the tabs
  useEffect(
    () => document.getElementById(`tab-${filter.tab}`)?.scrollIntoView({ block: 'nearest', inline: 'nearest' }),
    [filter.tab, counted],
  )
  const facetPane = <Facets counts={wrong ? none : facets.data} filter={filter} onChange={setFilter} />
  return (
    <div className={`letters${whole ? ' whole' : ''}${open ? ' with-letter' : ''} panes-${panes}`}>
      {panes === 3 && (
        <aside className="facet-pane" aria-label={t('facets')} inert={!!whole}>
          {facetPane}
        </aside>
      )}
      <section className="list-pane" aria-label={t('list')} inert={!!whole}>
        <h1 className="off-screen">{t('nav.letters')}</h1>
        <div className="tabs" role="tablist" aria-label={t('tabs')}>
          {shownTabs.map(tab => (
            <button
              key={tab}
              type="button"
              role="tab"
              id={`tab-${tab}`}
              aria-selected={filter.tab === tab}
              aria-controls="list"
              onClick={() => (tab === filter.tab ? list.refresh() : setFilter({ ...filter, tab }))}
            >
              {t(`tab.${tab}`)} {counts && <TabCount n={countOf(counts, tab)} of={facets.data} />}
            </button>
          ))}
        </div>
        <div className="list-head">
          {panes < 3 && (
            <button type="button" className="button small" aria-haspopup="dialog" onClick={() => setFolded(true)}>
              <Icon name="filter" size={14} /> {t('facets')}
            </button>
          )}
          <FilterChips filter={filter} onChange={setFilter} />
          {alike && rights.act && (
            <button type="button" className="button small" onClick={() => setSampling(true)}>
              <Icon name="probe" size={14} /> {t('probe.sample')}
            </button>
          )}
        </div>
        {!wrong && (
          <Elsewhere filter={filter} counts={facets.isPlaceholderData ? undefined : facets.data} onChange={setFilter} />
        )}
        <News
          list={list}
          moved={items.reduce((n, l) => n + (filter.tab === 'all' || tabOf(l.state) === filter.tab ? 0 : 1), 0)}
          still={marking}
          onShow={() => scroller.current?.scrollTo(0, 0)}
        />
        <div id="list" className="list-scroll" role="tabpanel" aria-labelledby={`tab-${filter.tab}`} ref={scroller}>
          {wrong ? (
            <Suspense fallback={<Wait lines={3} />}>
              <Mistakes list={mistakes} onGo={to => go(`/letters${to ? `?${to}` : ''}`)} />
            </Suspense>
          ) : list.error && items.length === 0 ? (
            <ProblemBox error={list.error} again={list.reload} />
          ) : list.loading ? (
            <Wait lines={12} />
          ) : items.length === 0 ? (
            <Empty filter={filter} onChange={setFilter} />
          ) : (
            <List
              list={list}
              tab={filter.tab}
              cursor={cursor}
              selection={selection}
              address={address}
              onPick={pick}
              onSelect={select}
              onSelectAll={() => setSelection(s => markAll(s, items))}
            />
          )}
        </div>
        {marking && !whole && !wrong && (
          <BulkBar
            selection={selection}
            tab={filter.tab}
            total={list.total}
            onAll={() => list.total && setSelection(markMatching(filterQuery(filter, Date.now()), list.total))}
            onClear={() => setSelection(nothing)}
            onDone={failed => setSelection({ letters: failed, anchor: '' })}
          />
        )}
      </section>
      {open && (
        <Suspense
          fallback={
            <section className="letter-pane">
              <Wait lines={8} />
            </section>
          }
        >
          <LetterPane
            key={open}
            id={open}
            whole={!!whole}
            show={show}
            onShow={tab => go(address(open, alone !== undefined, tab), { replace: true })}
            wholeHref={address(open, true)}
            backHref={address(panes > 1 ? open : '', false)}
            onClose={() => go(address('', false))}
            quiet={marking}
          />
        </Suspense>
      )}
      {sampling && alike && (
        <Suspense fallback={null}>
          <ProbeSample fingerprint={alike} onClose={() => setSampling(false)} />
        </Suspense>
      )}
      {folded && panes < 3 && (
        <Dialog title={t('facets')} kind="sheet" className="facet-sheet" onClose={() => setFolded(false)}>
          <div className="dialog-body">{facetPane}</div>
        </Dialog>
      )}
    </div>
  )
}

const countOf = (counts: Counts['tabs'], tab: ListTab): number =>
  tab === 'all' ? tabs.reduce((n, one) => n + (counts[one] ?? 0), 0) : (counts[tab] ?? 0)

/** The letters of a tab, under the whole filter. Where only the newest were looked at, there may be more. */
function TabCount({ n, of }: { n: number; of: Counts | undefined }) {
  const exact = of?.exact ?? true
  return (
    <span className="num" title={of && !exact ? inexact(of) : undefined}>
      {count(n, exact || n === 0)}
    </span>
  )
}

interface NewsProps {
  list: ReturnType<typeof useLetters>
  moved: number
  /** Letters are marked: nothing may move. */
  still: boolean
  onShow: () => void
}

/** Says that the list is not what it was, over its head so that nothing moves; a click brings it up to date. */
function News({ list, moved, still, onShow }: NewsProps) {
  if (still || (list.arrived === 0 && moved === 0)) return null
  const show = async () => {
    if (list.arrived > 0) list.show()
    else await list.refresh()
    onShow()
  }
  return (
    <div className="news">
      <button type="button" className={list.arrived > 0 ? 'arrived' : 'arrived moved'} onClick={show}>
        <span aria-live="polite">
          {list.arrived > 0
            ? t('arrived', { n: list.arrived, count: count(list.arrived, list.arrivedWhole) })
            : t('moved', { n: moved })}
        </span>{' '}
        · {t(list.arrived > 0 ? 'arrived.show' : 'moved.show')}
      </button>
    </div>
  )
}
