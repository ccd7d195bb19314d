import { type FormEvent, useEffect, useState } from 'react'
import { useLocation, useSearch } from 'wouter'
import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'

/** The search field on top of every view: name:value narrows, all else is searched for. */
export function SearchBar() {
  const [path, go] = useLocation()
  const search = useSearch()
  const inList = path.startsWith('/letters')
  const q = inList ? (new URLSearchParams(search).get('q') ?? '').trim() : ''
  const [text, setText] = useState(q)
  useEffect(() => setText(q), [q])

  const submit = async (e?: FormEvent) => {
    e?.preventDefault()
    // The list brings it too; other views can do without.
    const { emptyFilter, filterSearch, parseFilter, parseQuery } = await import('./filter')
    const p = filterSearch(parseQuery(text, inList ? parseFilter(search) : emptyFilter))
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
            if (inList && text === '' && q) submit()
          }}
        />
        <kbd>/</kbd>
      </form>
    </search>
  )
}
