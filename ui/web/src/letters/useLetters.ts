import { useInfiniteQuery } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { get } from '../api/client'
import { client, onChanges, patchLists } from '../api/queries'
import type { Detail, Letter, Page } from '../api/types'
import { type Filter, filterQuery, filterSearch } from './filter'

const pageSize = 50
// The list looks for news at most once in this many milliseconds.
const calm = 1000
// At most so many changed rows are asked for one by one; beyond that they wait for the next look.
const oneByOne = 20

const fetchPage = (filter: Filter, cursor: string, signal?: AbortSignal) =>
  get<Page>(
    `/letters?${filterQuery(filter, Date.now())}&limit=${pageSize}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    signal,
  )

/**
 * How many letters of a newer first page stand before the first one that is shown already. Letters that only slipped up
 * because others left do not count.
 */
export function countNew(shown: readonly Letter[], first: readonly Letter[]): number {
  const have = new Set(shown.map(l => l.id))
  const at = first.findIndex(l => have.has(l.id))
  return at < 0 ? first.length : at
}

/** The letters of a filter, when it is enabled. What arrives is announced, never put under the pointer. */
export function useLetters(filter: Filter, enabled = true) {
  const key = useMemo(() => ['letters', `${filter.tab}?${filterSearch(filter)}`], [filter])
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => fetchPage(filter, pageParam, signal),
    initialPageParam: '',
    getNextPageParam: page => page.next || undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 10 * 60_000,
    enabled,
  })
  const items = useMemo(() => query.data?.pages.flatMap(p => p.items ?? []) ?? [], [query.data])
  const [fresh, setFresh] = useState<Page>()
  const itemsRef = useRef(items)
  itemsRef.current = items

  const replaceBy = useCallback(
    (page: Page) => {
      client.setQueryData(key, { pages: [page], pageParams: [''] })
      setFresh(undefined)
    },
    [key],
  )

  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the filter
  useEffect(() => {
    setFresh(undefined)
    if (!enabled) return
    let timer = 0
    let gone = false
    let changed = new Set<string>()
    const look = async () => {
      timer = 0
      const ids = changed
      changed = new Set()
      const first = await fetchPage(filter, '').catch(() => undefined)
      if (gone || !first) return
      const shown = itemsRef.current
      if (shown.length === 0) {
        replaceBy(first)
        return
      }
      patchLists(new Map((first.items ?? []).map(l => [l.id, l])))
      setFresh(first)
      const seen = new Set(first.items?.map(l => l.id))
      const rest = shown.filter(l => ids.has(l.id) && !seen.has(l.id)).slice(0, oneByOne)
      for (const l of rest) {
        const now = await client
          .fetchQuery({ queryKey: ['letter', l.id], queryFn: () => get<Detail>(`/letters/${l.id}`), staleTime: 1000 })
          .catch(() => undefined)
        if (gone) return
        if (now) patchLists(new Map([[now.id, now]]))
      }
    }
    const soon = () => {
      if (!timer) timer = window.setTimeout(look, calm)
    }
    const stop = onChanges(c => {
      for (const id of c.changed) changed.add(id)
      soon()
    })
    // A list that was left and is shown again may be old.
    if (itemsRef.current.length > 0) soon()
    return () => {
      gone = true
      clearTimeout(timer)
      stop()
    }
  }, [key, replaceBy, enabled])

  const first = fresh ?? query.data?.pages[0]
  const arrived = fresh ? countNew(items, fresh.items ?? []) : 0
  return {
    items,
    total: first?.total,
    deaths: first?.deaths,
    examined: first?.examined,
    searchLag: first?.search_lag,
    /** Letters that arrived since the list was read; `whole` is false when there are more than one page of them. */
    arrived,
    arrivedWhole: arrived < pageSize,
    show: () => fresh && replaceBy(fresh),
    /** Reads the list anew from its top. */
    refresh: async () => {
      const page = await fetchPage(filter, '').catch(() => undefined)
      if (page) replaceBy(page)
    },
    loading: query.isPending,
    error: query.error,
    reload: () => query.refetch(),
    hasMore: query.hasNextPage,
    loadingMore: query.isFetchingNextPage,
    more: () => query.fetchNextPage(),
  }
}
