import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client'
import type { OperationPage } from './types'

/** How many operations act, and how many of them wait for a person; for the frame. */
export const useActive = () =>
  useQuery({
    queryKey: ['operations-active'],
    queryFn: async ({ signal }) => {
      const p = await get<OperationPage>(
        '/operations?state=queued&state=canary&state=running&state=paused&limit=50',
        signal,
      )
      const items = p.items ?? []
      return { n: p.total.count, paused: items.filter(o => o.state === 'paused' && o.cause !== 'window').length }
    },
    refetchInterval: 10_000,
  }).data
