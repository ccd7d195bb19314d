import { type ReactNode, useId } from 'react'
import { Link } from 'wouter'
import { titleOf } from '../api/types'
import { count } from '../i18n/format'
import { code, codeWords, t } from '../i18n/i18n'
import { Reason } from '../letters/words'
import { More } from '../parts/More'
import { middle, plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { Table } from '../parts/Table'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import { useItems } from './api'
import { type Item, type ItemState, inState, itemStates, type Operation } from './types'
import { itemWord, skipWords } from './words'

/** The letters of an operation and what became of each, in their order. */
export function Items({
  o,
  state,
  onState,
}: {
  o: Operation
  state: ItemState | ''
  onState: (s: ItemState | '') => void
}) {
  const query = useItems(o, state)
  const id = useId()
  const items = query.data?.pages.flatMap(p => p.items ?? []) ?? []
  const total = query.data?.pages[0]?.total
  const now = state ? inState(o, state) : o.letters
  // A list of one state stays as it was read; how it differs from now is said over it.
  const moved = state !== '' && total?.exact && total.count !== now
  return (
    <>
      <div className="op-items-head">
        <label htmlFor={id}>{t('items.which')}</label>
        <select id={id} value={state} onChange={e => onState(e.target.value as ItemState | '')}>
          <option value="">{t('items.all', { count: count(o.letters) })}</option>
          {itemStates
            .filter(s => inState(o, s) > 0 || s === state)
            .map(s => (
              <option key={s} value={s}>
                {itemWord(s)} ({count(inState(o, s))})
              </option>
            ))}
        </select>
        {moved && (
          <button type="button" className="button small" onClick={() => query.refetch()}>
            {t('items.moved', { n: now, count: count(now) })}
          </button>
        )}
      </div>
      {query.error && !query.data ? (
        <ProblemBox error={query.error} again={() => query.refetch()} />
      ) : !query.data ? (
        <Wait lines={6} />
      ) : items.length === 0 ? (
        <p className="quiet op-none">{t('items.none')}</p>
      ) : (
        <>
          <Table
            head={[
              t('list.letter'),
              [t('list.group'), 'wide-only'],
              [t('facet.reasons'), 'wide-only'],
              t('items.became'),
              [t('items.at'), 'right'],
            ]}
          >
            {items.map(i => (
              <Row key={i.position} i={i} />
            ))}
          </Table>
          <More query={query} />
        </>
      )}
    </>
  )
}

function Row({ i }: { i: Item }) {
  const l = i.letter
  const detail = detailOf(i)
  return (
    <tr>
      <td>
        {l ? (
          <Link href={`/letters/${l.id}`} className="mono" title={plain(titleOf(l))}>
            <Foreign text={middle(titleOf(l), 28)} />
          </Link>
        ) : (
          <span className="quiet">{t('items.gone', { id: i.letter_id })}</span>
        )}
      </td>
      <td className="wide-only">{l && <Foreign text={middle(l.consumer_group, 26)} />}</td>
      <td className="wide-only">{l && <Reason reason={l.reason} />}</td>
      <td className="op-became">
        <span className={`item-word ${i.state}`}>{itemWord(i.state)}</span>{' '}
        {detail && <span className="quiet small">{detail}</span>}
        {i.tries > 1 && <span className="quiet small"> {t('items.tries', { n: i.tries })}</span>}
      </td>
      <td className="right num quiet">{i.changed_at && <Time at={i.changed_at} form="moment" />}</td>
    </tr>
  )
}

/** Why it was skipped, or what was seen of its replay. */
function detailOf(i: Item): ReactNode {
  const l = i.letter
  const params = { group: l?.consumer_group ?? '', topic: l?.topic ?? '' }
  if (i.state === 'skipped') return i.detail ? skipWords(i.detail, params) : ''
  const seen = i.detail || i.replay?.detail
  if (i.replay?.error && (i.state === 'send_failed' || i.state === 'unknown')) return <Said text={i.replay.error} />
  if (!seen || i.state === 'pending') return seen ? (codeWords('detail', seen) ?? '') : ''
  return codeWords('detail', seen) ?? code('replay.why', seen)
}
