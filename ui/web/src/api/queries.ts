import { type Query, QueryClient, useQuery } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import type { BodyText } from '../letter/types'
import type { RulesInForce } from '../rules/types'
import type { Session } from './access'
import { asProblem, get, getBytes } from './client'
import { type Changes, Live } from './live'
import type { ConsumerGroup, Gap, TopicInfo } from './topics'
import type { Detail, Explanation, Facets, Letter, Page, ReplayOptions, Status, Summary } from './types'

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      // The stream of events says when something changed; the browser's focus says nothing.
      refetchOnWindowFocus: false,
      // The console may run on this machine: what the browser thinks of the network decides nothing.
      networkMode: 'always',
      refetchOnReconnect: true,
      staleTime: 30_000,
      retry: (count, error) => count < 2 && (error as { code?: string }).code === 'offline',
    },
  },
})

// What could not be loaded because the console did not answer is asked for again until it answers.
let recovering = 0
let wait = 2000

const failed = (q: Query) => q.state.status === 'error' && asProblem(q.state.error).code === 'offline'

/** Asks again for everything on the page that could not be loaded. */
async function recover(): Promise<void> {
  clearTimeout(recovering)
  recovering = 0
  await client.refetchQueries({ type: 'active', predicate: failed }, { cancelRefetch: false })
  wait = client.getQueryCache().getAll().some(failed) ? Math.min(wait * 2, 15_000) : 2000
}

client.getQueryCache().subscribe(e => {
  if (e.type === 'updated' && e.action.type === 'error' && failed(e.query) && !recovering)
    recovering = window.setTimeout(recover, wait)
})
window.addEventListener('online', recover)

const watchers = new Set<(c: Changes) => void>()

/** Follows changes of letters; the list decides itself what to show of them. */
export function onChanges(watcher: (c: Changes) => void): () => void {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

// What is counted over all letters is asked again at most once in this many milliseconds.
const calm = 2000
let counting = 0

function recount(): void {
  if (counting) return
  counting = window.setTimeout(() => {
    counting = 0
    for (const key of ['facets', 'summary', 'groups', 'topics', 'gaps']) client.invalidateQueries({ queryKey: [key] })
  }, calm)
}

export const live = new Live('/api/v1/events', {
  changes: c => {
    for (const id of c.changed) client.invalidateQueries({ queryKey: ['letter', id] })
    if (c.more) client.invalidateQueries({ queryKey: ['letter'] })
    recount()
    for (const w of watchers) w(c)
  },
  back: () => {
    recover()
    client.invalidateQueries({ queryKey: ['status'] })
  },
  status: s => client.setQueryData(['status'], s),
  resync: () => {
    client.invalidateQueries({ predicate: q => q.queryKey[0] !== 'letters' && q.queryKey[0] !== 'body' })
    for (const w of watchers) w({ arrived: 1, changed: [], more: true })
  },
})

export const useLive = () => useSyncExternalStore(live.subscribe, live.snapshot)

export const useSession = () =>
  useQuery({
    queryKey: ['session'],
    queryFn: ({ signal }) => get<Session>('/session', signal),
    staleTime: Number.POSITIVE_INFINITY,
  })

export const useStatus = () =>
  useQuery({ queryKey: ['status'], queryFn: ({ signal }) => get<Status>('/status', signal), refetchInterval: 30_000 })

export const useSummary = () =>
  useQuery({
    queryKey: ['summary'],
    queryFn: ({ signal }) => get<Summary>('/summary', signal),
    refetchInterval: 30_000,
  })

export const useFacets = (params: string, enabled = true) =>
  useQuery({
    queryKey: ['facets', params],
    queryFn: ({ signal }) => get<Facets>(`/facets?${params}`, signal),
    placeholderData: old => old,
    enabled,
  })

export const useLetter = (id: string) =>
  useQuery({
    queryKey: ['letter', id],
    queryFn: ({ signal }) => get<Detail>(`/letters/${id}`, signal),
    staleTime: 5000,
  })

// Keyed by the letter's version: a changed letter is asked about anew.
export const useReplayOptions = (id: string, version: number, enabled: boolean) =>
  useQuery({
    queryKey: ['options', id, version],
    queryFn: ({ signal }) => get<ReplayOptions>(`/letters/${id}/replay-options`, signal),
    enabled,
    staleTime: 15_000,
    refetchInterval: 30_000,
  })

// The verdict stays until the letter dies again or is judged anew.
export const useExplain = (l: Letter) =>
  useQuery({
    queryKey: ['explain', l.id, l.rule, l.rule_version, l.deaths, l.reason],
    queryFn: ({ signal }) => get<Explanation>(`/letters/${l.id}/explain`, signal),
    staleTime: Number.POSITIVE_INFINITY,
  })

// The bytes of a dead copy never change.
export const useBody = (id: string, messageID: string) =>
  useQuery({
    queryKey: ['body', id, messageID],
    queryFn: ({ signal }) => getBytes(`/letters/${id}/body`, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })

/** What the body says, read in a charset and opened up to a size; undefined for what the server finds right. */
export const useBodyText = (id: string, messageID: string, charset?: string, open?: number) =>
  useQuery({
    queryKey: ['body', id, messageID, charset, open],
    queryFn: ({ signal }) => {
      const q = new URLSearchParams()
      if (charset) q.set('charset', charset)
      if (open) q.set('open', String(open))
      return get<BodyText>(`/letters/${id}/text${q.size ? `?${q}` : ''}`, signal)
    },
    placeholderData: old => old,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })

export const useTopics = () =>
  useQuery({
    queryKey: ['topics'],
    queryFn: async ({ signal }) => (await get<{ items: TopicInfo[] | null }>('/topics', signal)).items ?? [],
    refetchInterval: 15_000,
  })

export const useGaps = () =>
  useQuery({
    queryKey: ['gaps'],
    queryFn: async ({ signal }) => (await get<{ items: Gap[] | null }>('/gaps', signal)).items ?? [],
  })

export const useGroups = () =>
  useQuery({
    queryKey: ['groups'],
    queryFn: async ({ signal }) =>
      (await get<{ items: ConsumerGroup[] | null }>('/consumer-groups', signal)).items ?? [],
    refetchInterval: 20_000,
  })

/** The same groups with what the cluster says of each now. */
export const useGroupInfos = (names: readonly string[]) =>
  useQuery({
    queryKey: ['group-infos', ...names],
    queryFn: async ({ signal }) => {
      const p = new URLSearchParams(names.map(n => ['name', n]))
      return (await get<{ items: ConsumerGroup[] | null }>(`/consumer-groups?${p}`, signal)).items ?? []
    },
    enabled: names.length > 0,
    placeholderData: old => old,
    refetchInterval: 30_000,
  })

export const useRules = () =>
  useQuery({
    queryKey: ['rules'],
    queryFn: ({ signal }) => get<RulesInForce>('/rules', signal),
    refetchInterval: 10_000,
  })

/** Shows a letter as an act left it: in every list that has it, and on its own page. */
export function landed(letter: Letter): void {
  patchLists(new Map([[letter.id, letter]]))
  client.invalidateQueries({ queryKey: ['letter', letter.id] })
  recount()
}

type Pages = { pages: Page[]; pageParams: unknown[] }

/** Puts newer letters in the places of the older, without moving any. */
export function patchLists(newer: ReadonlyMap<string, Letter>): void {
  client.setQueriesData<Pages>(
    { queryKey: ['letters'] },
    old =>
      old && {
        ...old,
        pages: old.pages.map(page =>
          page.items?.some(l => (newer.get(l.id)?.version ?? -1) >= l.version)
            ? { ...page, items: page.items.map(l => newest(l, newer.get(l.id))) }
            : page,
        ),
      },
  )
}

const newest = (a: Letter, b: Letter | undefined): Letter => (b && b.version >= a.version ? b : a)

/** Whether the person may act on letters, and whether on the console itself. */
export function useRights(): { act: boolean; admin: boolean; known: boolean } {
  const role = useSession().data?.role
  return { act: role === 'operator' || role === 'admin', admin: role === 'admin', known: role !== undefined }
}
