import { apiDuration, moment } from '../i18n/format'
import { codeWords, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { type Chip, chips, emptyFilter, type Filter } from './filter'

/** What a narrowing says in words. */
export function chipWords(c: Chip): string {
  switch (c.field) {
    case 'within':
    case 'older':
      return t(`filter.${c.field}`, { d: apiDuration(c.value) })
    case 'after':
    case 'before':
    case 'arrivedAfter':
    case 'arrivedBefore':
      return t(`filter.${c.field}`, { at: moment(new Date(c.value)) })
    case 'q':
      return t('filter.q', { q: plain(c.value, 40) })
    default:
      return `${t(`filter.${c.field}`)}${t('colon')}${codeWords(c.field, c.value) ?? (c.value === '' ? t('facet.none') : plain(middle(c.value, 32)))}`
  }
}

/** Everything that narrows the list, each with a way to take it off. */
export function FilterChips({ filter, onChange }: { filter: Filter; onChange: (f: Filter) => void }) {
  const all = chips(filter)
  if (all.length === 0) return null
  return (
    <ul className="filter-chips" aria-label={t('filter.list')}>
      {all.map(c => (
        <li key={`${c.field} ${c.value}`}>
          <button type="button" title={t('filter.remove')} onClick={() => onChange(c.without)}>
            {chipWords(c)}
            <Icon name="close" size={12} />
          </button>
        </li>
      ))}
      {all.length > 1 && (
        <li>
          <button type="button" className="link" onClick={() => onChange({ ...emptyFilter, tab: filter.tab })}>
            {t('filter.clear')}
          </button>
        </li>
      )}
    </ul>
  )
}
