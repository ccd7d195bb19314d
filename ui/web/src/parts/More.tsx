import type { UseInfiniteQueryResult } from '@tanstack/react-query'
import { t } from '../i18n/i18n'

/** The button that brings the next page of a list, while there is one. */
export function More({
  query,
}: {
  query: Pick<UseInfiniteQueryResult, 'hasNextPage' | 'isFetchingNextPage' | 'fetchNextPage'>
}) {
  if (!query.hasNextPage) return null
  return (
    <button type="button" className="button" disabled={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
      {t('list.more')}
    </button>
  )
}
