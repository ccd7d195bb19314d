import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client'
import { useStatus } from '../api/queries'
import type { Page } from '../api/types'
import { count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { chipWords } from './Chips'
import { type Chip, chips, emptyFilter, type Filter, filterQuery } from './filter'

/** What an empty list teaches: nothing at all, nothing under this filter, or no broker. */
export function Empty({ filter, onChange }: { filter: Filter; onChange: (f: Filter) => void }) {
  const status = useStatus().data
  const narrow = chips(filter)
  if (narrow.length > 0) return <EmptyFilter filter={filter} onChange={onChange} />
  if (status && !status.cluster.reachable && filter.tab === 'attention')
    return (
      <div className="empty">
        <h2>{t('empty.broker')}</h2>
        <p>{t('empty.broker.text', { servers: (status.cluster.name_servers ?? []).join(t('list.comma')) || '–' })}</p>
        <pre>dlq serve --namesrv HOST:9876</pre>
      </div>
    )
  return (
    <div className="empty">
      <h2>{t(`empty.${filter.tab}`)}</h2>
      <p>{t(`empty.${filter.tab}.text`)}</p>
    </div>
  )
}

/** Says which part of the filter leaves nothing, by asking what each part taken off would bring. */
function EmptyFilter({ filter, onChange }: { filter: Filter; onChange: (f: Filter) => void }) {
  const narrow = chips(filter).slice(0, 6)
  return (
    <div className="empty">
      <h2>{t('empty.filter')}</h2>
      <ul className="plain">
        {narrow.map(c => (
          <Without key={`${c.field} ${c.value}`} c={c} onChange={onChange} />
        ))}
      </ul>
      {narrow.length > 1 && (
        <button type="button" className="link" onClick={() => onChange({ ...emptyFilter, tab: filter.tab })}>
          {t('filter.clear')}
        </button>
      )}
    </div>
  )
}

function Without({ c, onChange }: { c: Chip; onChange: (f: Filter) => void }) {
  const total = useQuery({
    queryKey: ['letters-without', filterQuery(c.without, 0)],
    queryFn: () => get<Page>(`/letters?${filterQuery(c.without, Date.now())}&limit=1`),
    staleTime: 10_000,
  }).data?.total
  return (
    <li>
      <button type="button" className="button small" onClick={() => onChange(c.without)}>
        {t('empty.without', { what: chipWords(c) })}
      </button>{' '}
      {total && (
        <span className="quiet num">{t('letters', { n: total.count, count: count(total.count, total.exact) })}</span>
      )}
    </li>
  )
}
