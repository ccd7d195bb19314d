import { type Facets as Counts, tabs } from '../api/types'
import { count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { chips, type Filter } from './filter'

interface Props {
  filter: Filter
  counts: Counts | undefined
  onChange: (f: Filter) => void
}

/** Says that the same filter has letters in other tabs, and leads there. */
export function Elsewhere({ filter, counts, onChange }: Props) {
  if (!counts || filter.tab === 'all' || chips(filter).length === 0) return null
  const others = tabs.filter(tab => tab !== filter.tab && (counts.tabs[tab] ?? 0) > 0)
  if (others.length === 0) return null
  const n = others.reduce((sum, tab) => sum + (counts.tabs[tab] ?? 0), 0)
  return (
    <p className="elsewhere small">
      <span>{t('elsewhere', { n, count: count(n, counts.exact) })}</span>
      {others.map(tab => (
        <button key={tab} type="button" className="button small" onClick={() => onChange({ ...filter, tab })}>
          {t(`tab.${tab}`)} <span className="num">{count(counts.tabs[tab] ?? 0, counts.exact)}</span>
        </button>
      ))}
      <button type="button" className="button small" onClick={() => onChange({ ...filter, tab: 'all' })}>
        {t('tab.all')}
      </button>
    </p>
  )
}
