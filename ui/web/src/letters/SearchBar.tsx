import { type FormEvent, useLayoutEffect, useState } from 'react'
import { useLocation, useSearch } from 'wouter'
import { get } from '../api/client'
import type { Letter, Page } from '../api/types'
import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'

/** The letter of which a text is the id or a key as a whole, where it is the only one, in whatever tab. */
async function onlyLetter(text: string): Promise<Letter | undefined> {
  const whole = text.replace(/^"|"$/g, '')
  if (!whole || /\s/.test(whole)) return
  const page = await get<Page>(`/letters?tab=all&limit=2&q=${encodeURIComponent(text)}`).catch(() => undefined)
  const [l, more] = page?.items ?? []
  if (!l || more) return
  const names = [l.id, l.message_id, l.origin_message_id, l.unique_key, ...(l.keys ?? [])]
  return names.includes(whole) ? l : undefined
}

/** The search field on top of every view: name:value narrows, all else is searched for. */
export function SearchBar() {
  const [path, go] = useLocation()
  const search = useSearch()
  const inList = path.startsWith('/letters')
  const q = inList ? (new URLSearchParams(search).get('q') ?? '').trim() : ''
  const [text, setText] = useState(q)
  useLayoutEffect(() => setText(q), [q]) // before the next key, which it would take back

  const submit = async (e?: FormEvent) => {
    e?.preventDefault()
    // The list brings it too; other views can do without.
    const { emptyFilter, filterSearch, parseFilter, parseQuery } = await import('./filter')
    const p = filterSearch(parseQuery(text, inList ? parseFilter(search) : emptyFilter))
    const to = `/letters${p.size ? `?${p}` : ''}`
    const only = await onlyLetter(p.get('q') ?? '')
    if (!only) return go(to)
    const { tabOf } = await import('../api/types')
    const tab = tabOf(only.state)
    const own = filterSearch({ ...emptyFilter, tab, q: p.get('q') ?? '' })
    own.set('letter', only.id)
    go(`/letters?${own}`)
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
