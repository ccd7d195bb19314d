import { type FormEvent, useEffect, useState } from 'react'
import { useLocation, useSearch } from 'wouter'
import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { emptyFilter, filterSearch, parseFilter, parseQuery } from './filter'

/** The search field on top of every view: name:value narrows, all else is searched for. */
export function SearchBar() {
  const [path, go] = useLocation()
  const search = useSearch()
  const inList = path.startsWith('/letters')
  const filter = inList ? parseFilter(search) : emptyFilter
  const [text, setText] = useState(filter.q)
  useEffect(() => setText(filter.q), [filter.q])

  const submit = (e?: FormEvent) => {
    e?.preventDefault()
    const p = filterSearch(parseQuery(text, filter))
    go(`/letters${p.size ? `?${p}` : ''}`)
  }
  return (
    <search className="search">
      <form onSubmit={submit}>
        <Icon name="search" />
        <input
          id="search"
          type="search"
          aria-label={t('search')}
          placeholder={t('search.hint')}
          title={t('search.help')}
          value={text}
          spellCheck={false}
          autoComplete="off"
          onChange={e => setText(e.target.value)}
          onKeyDown={e => {
            if (e.key === 'Escape') e.currentTarget.blur()
          }}
          onBlur={() => {
            if (inList && text === '' && filter.q) submit()
          }}
        />
        <kbd>/</kbd>
      </form>
    </search>
  )
}
