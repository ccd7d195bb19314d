import { useState } from 'react'
import type { Facets as Counts, Facet } from '../api/types'
import { count } from '../i18n/format'
import { codeWords, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { Name } from '../parts/Text'
import { type Field, type Filter, toggle } from './filter'

interface Props {
  counts: Counts | undefined
  filter: Filter
  onChange: (f: Filter) => void
}

const shown: readonly {
  field: Field
  name: 'facet.groups' | 'facet.topics' | 'facet.reasons' | 'facet.rules' | 'facet.routes'
  of: (c: Counts) => Facet[] | null
}[] = [
  { field: 'consumer_group', name: 'facet.groups', of: c => c.consumer_groups },
  { field: 'reason', name: 'facet.reasons', of: c => c.reasons },
  { field: 'topic', name: 'facet.topics', of: c => c.topics },
  { field: 'rule', name: 'facet.rules', of: c => c.rules },
  { field: 'route', name: 'facet.routes', of: c => c.routes },
]

/** Of what part of the letters the counts are. */
export const inexact = (c: Counts) => t('facets.examined', { n: c.examined ?? 0, count: count(c.examined ?? 0) })

/** What the letters of this tab have in common, with exact counts; a click narrows the list. */
export function Facets({ counts, filter, onChange }: Props) {
  return (
    <div className="facets">
      {counts && !counts.exact && <p className="quiet small facets-note">{inexact(counts)}</p>}
      {shown.map(f => (
        <Group
          key={f.field}
          name={t(f.name)}
          field={f.field}
          facets={(counts && f.of(counts)) ?? []}
          chosen={filter.any[f.field] ?? []}
          onToggle={v => onChange(toggle(filter, f.field, v))}
          loading={!counts}
        />
      ))}
    </div>
  )
}

interface GroupProps {
  name: string
  field: Field
  facets: readonly Facet[]
  chosen: readonly string[]
  onToggle: (value: string) => void
  loading: boolean
}

const first = 7

function Group({ name, field, facets, chosen, onToggle, loading }: GroupProps) {
  const [all, setAll] = useState(false)
  // A chosen value stays in sight when nothing has it any more.
  const missing = chosen.filter(v => !facets.some(f => f.value === v)).map(value => ({ value, count: 0 }))
  const list = [...missing, ...facets]
  const cut = all ? list : list.filter((f, i) => i < first || chosen.includes(f.value))
  const max = Math.max(1, ...list.map(f => f.count))
  if (!loading && list.length === 0) return null
  return (
    <section className="facet" aria-label={name}>
      <h3>{name}</h3>
      <ul>
        {cut.map(f => {
          const on = chosen.includes(f.value)
          const label = f.value === '' ? t('facet.none') : codeWords(field, f.value)
          return (
            <li key={f.value}>
              <button type="button" aria-pressed={on} title={plain(f.value)} onClick={() => onToggle(f.value)}>
                <span className="facet-bar" style={{ inlineSize: `${(100 * f.count) / max}%` }} />
                <span className="facet-name">{label ?? <Name text={f.value} />}</span>
                <span className="num">{count(f.count)}</span>
                {on && <Icon name="close" size={12} />}
              </button>
            </li>
          )
        })}
      </ul>
      {list.length > first && (
        <button type="button" className="link small" aria-expanded={all} onClick={() => setAll(a => !a)}>
          {all ? t('less') : t('more.n', { n: list.length - cut.length })}
        </button>
      )}
    </section>
  )
}
