import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { get, write } from '../api/client'
import { client, useLive } from '../api/queries'
import type { AlertEvent, Alerts, Delivery, DeliveryPage, Matchers, Receiver, Silence } from './types'

// The stream tells of counts only; what stands behind them is asked for while somebody looks.
const often = 5000

/** How often to ask, while the page is not paused. */
function useEvery(ms = often): number | false {
  return useLive().kind === 'paused' ? false : ms
}

export const useAlerts = () =>
  useQuery({
    queryKey: ['alerts'],
    queryFn: ({ signal }) => get<Alerts>('/alerts', signal),
    refetchInterval: useEvery(),
    staleTime: 2000,
  })

export const useSilences = () =>
  useQuery({
    queryKey: ['silences'],
    queryFn: async ({ signal }) => (await get<{ items: Silence[] }>('/silences?limit=200', signal)).items,
    refetchInterval: useEvery(),
  })

export const useReceivers = () =>
  useQuery({
    queryKey: ['receivers'],
    queryFn: async ({ signal }) => (await get<{ items: Receiver[] }>('/receivers', signal)).items,
    refetchInterval: useEvery(15_000),
  })

export const useEvents = (alert: string) =>
  useQuery({
    queryKey: ['alert-events', alert],
    queryFn: async ({ signal }) =>
      (await get<{ items: AlertEvent[] }>(`/alerts/events?limit=50&alert=${encodeURIComponent(alert)}`, signal)).items,
    refetchInterval: useEvery(),
  })

export const useDeliveries = (query: string) =>
  useQuery({
    queryKey: ['deliveries', query],
    queryFn: ({ signal }) => get<DeliveryPage>(`/deliveries?${query}`, signal),
    refetchInterval: useEvery(),
    placeholderData: old => old,
  })

/** Deliveries page by page. All pages are asked for again, so that none falls between two of them. */
export const useDeliveryPages = (filter: string) =>
  useInfiniteQuery({
    queryKey: ['deliveries', 'pages', filter],
    queryFn: ({ signal, pageParam }) => {
      const p = new URLSearchParams(filter)
      p.set('limit', '50')
      if (pageParam) p.set('cursor', pageParam)
      return get<DeliveryPage>(`/deliveries?${p}`, signal)
    },
    initialPageParam: '',
    getNextPageParam: page => page.next,
    refetchInterval: useEvery(),
    placeholderData: old => old,
  })

export const useDelivery = (id: string) =>
  useQuery({
    queryKey: ['delivery', id],
    queryFn: ({ signal }) => get<Delivery>(`/deliveries/${encodeURIComponent(id)}`, signal),
    refetchInterval: useEvery(),
  })

const again = (...keys: string[]) => {
  for (const key of keys) client.invalidateQueries({ queryKey: [key] })
}

export interface NewSilence {
  matchers: Matchers
  duration?: string
  ends_at?: string
  note: string
}

export async function addSilence(s: NewSilence, key: string): Promise<Silence> {
  const made = await write<Silence>('POST', '/silences', s, key)
  client.setQueryData<Silence[]>(['silences'], old => old && [made, ...old])
  again('silences', 'alerts', 'status')
  return made
}

export async function endSilence(id: string): Promise<void> {
  const ended = await write<Silence>('POST', `/silences/${encodeURIComponent(id)}/end`)
  client.setQueryData<Silence[]>(['silences'], old => old?.map(s => (s.id === id ? ended : s)))
  again('silences', 'alerts', 'status')
}

export async function testReceiver(name: string): Promise<Delivery> {
  try {
    return await write<Delivery>('POST', `/receivers/${encodeURIComponent(name)}/test`)
  } finally {
    again('deliveries', 'receivers')
  }
}

export async function sendAgain(id: string): Promise<void> {
  try {
    client.setQueryData(['delivery', id], await write<Delivery>('POST', `/deliveries/${encodeURIComponent(id)}/resend`))
  } finally {
    again('deliveries', 'delivery')
  }
}
