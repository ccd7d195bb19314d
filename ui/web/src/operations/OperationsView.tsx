import { Link, useLocation, useSearch } from 'wouter'
import { count } from '../i18n/format'
import { code, t } from '../i18n/i18n'
import { More } from '../parts/More'
import { plain } from '../parts/mask'
import { Pick } from '../parts/Pick'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/operations.css'
import '../style/view.css'
import { useOperations } from './api'
import { OperationPage } from './OperationPage'
import { barOrder } from './spec'
import { acts, inState, kinds, type Operation, operationStates } from './types'
import { itemWord, KindMark, progressWords, rateWords, Split, StandChip } from './words'

/** Every bulk act, newest first, or one of them. */
export default function OperationsView({ id }: { id?: string | undefined }) {
  return id ? <OperationPage key={id} id={id} /> : <OperationList />
}

// A name of the page alone for all states in which an operation may still act.
const active = 'active'

/** The query of the API for the filter in the page's address. What is not understood is left out. */
export function listQuery(search: string): string {
  const p = new URLSearchParams(search)
  const out = new URLSearchParams()
  for (const s of p.getAll('state'))
    for (const one of s === active ? operationStates.filter(acts) : operationStates.filter(x => x === s))
      out.append('state', one)
  for (const k of p.getAll('kind')) if (kinds.some(x => x === k)) out.append('kind', k)
  for (const a of p.getAll('actor')) if (a) out.append('actor', a)
  return out.toString()
}

function OperationList() {
  const [, go] = useLocation()
  const search = useSearch()
  const p = new URLSearchParams(search)
  const filter = listQuery(search)
  const query = useOperations(filter)
  const items = query.data?.pages.flatMap(page => page.items ?? []) ?? []
  const total = query.data?.pages[0]?.total
  const set = (name: string, value: string) => {
    const next = new URLSearchParams(search)
    next.delete(name)
    if (value) next.set(name, value)
    go(next.size > 0 ? `/operations?${next}` : '/operations')
  }
  return (
    <div className="view operations">
      <header className="view-head">
        <h1>{t('nav.operations')}</h1>
        <p className="quiet">{t('operations.text')}</p>
      </header>
      <div className="list-filter">
        <Pick
          label={t('operations.state')}
          any={t('operations.state.any')}
          value={p.get('state') ?? ''}
          options={[
            [active, t('operations.state.active')],
            ...operationStates.map(s => [s, code('operation.state', s)] as const),
          ]}
          onPick={v => set('state', v)}
        />
        <Pick
          label={t('operations.kind')}
          any={t('operations.kind.any')}
          value={p.get('kind') ?? ''}
          options={kinds.map(k => [k, code('operation.kind', k)] as const)}
          onPick={v => set('kind', v)}
        />
        {p.get('actor') && (
          <button type="button" className="button small" title={t('filter.remove')} onClick={() => set('actor', '')}>
            {t('operations.by', { who: plain(p.get('actor') ?? '', 40) })} ×
          </button>
        )}
        {total && total.count > 0 && (
          <span className="quiet small num" aria-live="polite">
            {t('operations.n', { n: total.count, count: count(total.count, total.exact) })}
          </span>
        )}
      </div>
      {query.error && !query.data ? (
        <ProblemBox error={query.error} again={() => query.refetch()} />
      ) : !query.data ? (
        <Wait lines={8} />
      ) : items.length === 0 ? (
        <div className="empty">
          <h2>{t(filter ? 'operations.none.filter' : 'operations.none')}</h2>
          {filter ? (
            <Link href="/operations" className="button">
              {t('filter.clear')}
            </Link>
          ) : (
            <>
              <p>{t('operations.none.text')}</p>
              <Link href="/letters" className="button">
                {t('operations.none.do')}
              </Link>
            </>
          )}
        </div>
      ) : (
        <>
          <ul className="op-list">
            {items.map(o => (
              <Row key={o.number} o={o} />
            ))}
          </ul>
          <More query={query} />
        </>
      )}
    </div>
  )
}

function Row({ o }: { o: Operation }) {
  const named = barOrder.filter(s => s !== 'pending' && s !== 'sending' && inState(o, s) > 0)
  return (
    <li className="op-row">
      <div className="op-row-head">
        <Link href={`/operations/${o.number}`} className="op-title">
          <KindMark kind={o.kind} /> <span className="num">#{o.number}</span>
        </Link>
        <StandChip o={o} />
        <span className="op-who quiet small">
          <Foreign text={code('actor', o.actor)} /> · <Time at={o.started_at ?? o.created_at} />
        </span>
      </div>
      {o.note && (
        <p className="op-note">
          <Foreign text={plain(o.note, 240)} />
        </p>
      )}
      <Split counts={o.counts} />
      <p className="op-counts small num">
        <span>{acts(o.state) ? progressWords(o) : t('letters', { n: o.letters, count: count(o.letters) })}</span>
        {o.state !== 'draft' &&
          named.map(s => (
            <span key={s} className={`item-word ${s}`}>
              {count(inState(o, s))} {itemWord(s)}
            </span>
          ))}
        {(o.state === 'running' || o.state === 'canary') && o.rate > 0 && (
          <span className="quiet">
            {rateWords(o.rate)}
            {o.done_at && (
              <>
                {' · '}
                {t('operation.eta')} <Time at={o.done_at} form="in" />
              </>
            )}
          </span>
        )}
      </p>
    </li>
  )
}
