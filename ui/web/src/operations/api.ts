import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { get, write } from '../api/client'
import { client, useLive } from '../api/queries'
import type {
  Choice,
  History,
  ItemPage,
  ItemState,
  Kind,
  Operation,
  OperationEvent,
  OperationPage,
  Pace,
  Spec,
} from './types'

/** How often an operation in a state is looked at, in milliseconds; 0 when nothing of it moves by itself. */
export function every(o: Pick<Operation, 'state' | 'cause'> | undefined): number {
  switch (o?.state) {
    case 'queued':
    case 'canary':
    case 'running':
      return 1000
    case 'paused':
    case 'settling':
      return 2000
    case 'draft':
      return 5000
    default:
      return 0
  }
}

// While the page is paused nothing is asked for by itself.
const usePaused = () => useLive().kind === 'paused'

export function useOperation(id: string) {
  const paused = usePaused()
  return useQuery({
    queryKey: ['operation', id],
    queryFn: ({ signal }) => get<Operation>(`/operations/${encodeURIComponent(id)}`, signal),
    refetchInterval: q => (paused ? false : every(q.state.data) || false),
    staleTime: 500,
    enabled: id !== '',
  })
}

/** The list, as its filter in the address has it. */
export function useOperations(filter: string) {
  const paused = usePaused()
  return useInfiniteQuery({
    queryKey: ['operations', filter],
    queryFn: ({ signal, pageParam }) => {
      const p = new URLSearchParams(filter)
      p.set('limit', '30')
      if (pageParam) p.set('cursor', pageParam)
      return get<OperationPage>(`/operations?${p}`, signal)
    },
    initialPageParam: '',
    getNextPageParam: page => page.next || undefined,
    placeholderData: old => old,
    refetchInterval: q => {
      if (paused) return false
      const fastest = q.state.data?.pages
        .flatMap(p => p.items ?? [])
        .map(every)
        .filter(Boolean)
      return fastest?.length ? Math.max(2000, Math.min(...fastest)) : 10_000
    },
  })
}

/** The letters of an operation in a state ('' for all), page by page. They keep their places, so pages may be read anew. */
export function useItems(o: Operation, state: ItemState | '') {
  const paused = usePaused()
  return useInfiniteQuery({
    queryKey: ['operation-items', o.number, state],
    queryFn: ({ signal, pageParam }) => {
      const p = new URLSearchParams({ limit: '50' })
      if (state) p.set('state', state)
      if (pageParam) p.set('cursor', pageParam)
      return get<ItemPage>(`/operations/${o.number}/items?${p}`, signal)
    },
    initialPageParam: '',
    getNextPageParam: page => page.next || undefined,
    // In the list of all letters only their states change. A list of one state would move under the pointer.
    refetchInterval: q => (!paused && state === '' && (q.state.data?.pages.length ?? 0) < 3 && every(o) * 2) || false,
    staleTime: 1000,
  })
}

export function useHistory(o: Operation) {
  const paused = usePaused()
  return useQuery({
    queryKey: ['operation-history', o.number],
    queryFn: ({ signal }) => get<History>(`/operations/${o.number}/history`, signal),
    refetchInterval: !paused && o.state !== 'draft' && every(o) > 0 ? Math.max(2500, every(o)) : false,
    staleTime: 1000,
  })
}

/** What happened to an operation, newest first. A new version of it means that something did. */
export const useLog = (o: Operation) =>
  useQuery({
    queryKey: ['operation-log', o.number, o.version, o.state],
    queryFn: async ({ signal }) =>
      (await get<{ items: OperationEvent[] | null }>(`/operations/${o.number}/log?limit=100`, signal)).items ?? [],
    placeholderData: old => old,
  })

/** Shows an operation as an act left it. */
export function keep(o: Operation): Operation {
  for (const id of [String(o.number), o.id]) client.setQueryData(['operation', id], o)
  for (const key of ['operations', 'operations-active', 'operation-log', 'operation-history'])
    client.invalidateQueries({ queryKey: [key] })
  return o
}

const path = (o: Operation, act = '') => `/operations/${o.number}${act && `/${act}`}`

export interface NewOperation {
  id: string
  kind: Kind
  spec: Spec
  choice: Choice
}

/** Counts and freezes; nothing happens to a letter. The same id again makes no second operation. */
export const create = async ({ id, kind, spec, choice }: NewOperation): Promise<Operation> =>
  keep(await write<Operation>('POST', '/operations', { id, kind, spec, ...choice }))

export const change = async (o: Operation, spec: Spec, note: string): Promise<Operation> =>
  keep(await write<Operation>('PUT', path(o), { version: o.version, spec, note }))

/** Counts anew; with `add` it takes in what has arrived since. */
export const refresh = async (o: Operation, add: boolean): Promise<Operation> =>
  keep(await write<Operation>('POST', path(o, 'refresh'), { version: o.version, add }))

/** The version makes a second start of the same draft a conflict. */
export const start = async (o: Operation, note: string): Promise<Operation> =>
  keep(await write<Operation>('POST', path(o, 'start'), { version: o.version, note }))

/** Of a draft, cancel drops it; of a queued one it is the undo. */
export const turn = async (o: Operation, act: 'pause' | 'resume' | 'cancel', note = ''): Promise<Operation> =>
  keep(await write<Operation>('POST', path(o, act), { ...(note && { note }) }))

/** Gives up the letters that wait for a broker that is away. */
export const skipWaiting = async (o: Operation): Promise<Operation> =>
  keep(await write<Operation>('POST', path(o, 'skip'), { cause: 'broker_away' }))

export const setPace = async (o: Operation, pace: Pace): Promise<Operation> =>
  keep(await write<Operation>('POST', path(o, 'pace'), { version: o.version, pace }))

/** Throws a draft away. Should that fail, it is dropped by itself after a day. */
export function drop(o: Operation): void {
  write('POST', path(o, 'cancel'), {})
    .catch(() => undefined)
    .then(() => {
      client.removeQueries({ queryKey: ['operation', String(o.number)] })
      client.invalidateQueries({ queryKey: ['operations'] })
    })
}
