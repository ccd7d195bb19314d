import type { Detail, DoorOption, ReplayOptions } from '../api/types'
import { apiDuration } from '../i18n/format'
import { t, tx } from '../i18n/i18n'
import { Name } from '../parts/Text'

// What a person must have read before the click: these open the options instead of sending.
const graveWarnings = new Set([
  'other_groups',
  'receivers_unknown',
  'kind_unknown',
  'possible_duplicate',
  'confirmed_before',
  'dead_copy_old',
])

/** Whether the default way holds a surprise that must be read first. */
export function risky(o: ReplayOptions, door: DoorOption): boolean {
  return o.confirmed_at !== undefined || (door.warnings ?? []).some(w => graveWarnings.has(w))
}

export const grave = (warning: string): boolean => graveWarnings.has(warning)

/** Whether an edit was made of the present dead copy: then a person chooses what is sent. */
export function hasEdits(l: Pick<Detail, 'events'>): boolean {
  for (const e of l.events ?? []) {
    if (e.kind === 'edited') return true
    // Newest first: what was edited before belongs to another dead copy.
    if (e.kind === 'died_again' || e.kind === 'arrived') return false
  }
  return false
}

/** What the primary button says that it will do. */
export function buttonWords(group: string, o: ReplayOptions | undefined, door: DoorOption | undefined, edited = false) {
  const name = <Name text={group} />
  if (!o || !door) return tx('replay.to', { group: name })
  const more = risky(o, door) || edited ? '…' : ''
  return (
    <>
      {o.default_delay !== '0s' && door.delays
        ? tx('replay.to.delay', { group: name, delay: apiDuration(o.default_delay) })
        : door.door === 'A'
          ? tx('replay.to.all', { n: door.receivers?.length ?? 0 })
          : tx('replay.to', { group: name })}
      {more}
    </>
  )
}

/** The words for the time that a replay waits at the broker. */
export function delayWords(delay: string): string {
  return delay === '' || delay === '0s' ? t('replay.at_once') : apiDuration(delay)
}
