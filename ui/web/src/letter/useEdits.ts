import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client'
import type { Letter } from '../api/types'
import type { Edit, Editable } from './types'

/** The edits of a letter's present dead copy, newest first; undefined while they are being asked for. */
export function useEdits(letter: Letter, wanted: boolean): readonly Edit[] | undefined {
  const query = useQuery({
    queryKey: ['edits', letter.id, letter.version],
    queryFn: ({ signal }) => get<Editable>(`/letters/${letter.id}/edits`, signal),
    enabled: wanted,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    select: e => (e.edits ?? []).filter(x => x.deaths === e.deaths),
  })
  return wanted && !query.error ? query.data : []
}
