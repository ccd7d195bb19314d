import type { Letter, Severity } from '../api/types'
import { code, codeWords, t } from '../i18n/i18n'
import { Icon, originIcon, routeIcon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import '../style/words.css'

/** How much a letter matters, in a word. */
export function SeverityMark({ severity }: { severity: Severity }) {
  return <span className={`severity ${severity}`}>{code('severity', severity)}</span>
}

/** Why it died, as its rules name it. Only the console's own reasons have words. */
export function Reason({ reason, className }: { reason: string; className?: string }) {
  const words = codeWords('reason', reason)
  return words ? (
    <span className={className} title={reason}>
      {words}
    </span>
  ) : (
    <Foreign className={className} text={middle(reason, 80)} />
  )
}

/** Who gave the reason, as a small sign. */
export function Origin({ letter }: { letter: Pick<Letter, 'reason_origin' | 'reason_field'> }) {
  const words = code('origin', letter.reason_origin)
  const title = letter.reason_field ? `${words}: ${plain(letter.reason_field)}` : words
  return (
    <span className="origin" role="img" aria-label={title} title={title}>
      <Icon name={originIcon(letter.reason_origin)} size={12} />
    </span>
  )
}

/** Says that the reason is not the newest death's. */
export function EarlierMark({ letter }: { letter: Pick<Letter, 'reason_death'> }) {
  return letter.reason_death ? <span className="chip earlier">{t('reason.earlier')}</span> : null
}

export function RouteMark({ route, words = false }: { route: string; words?: boolean }) {
  const name = code('route', route)
  return (
    <span className="route" title={t('route', { route: name })}>
      <Icon name={routeIcon(route)} size={14} />
      {words ? <span>{name}</span> : <span className="off-screen">{name}</span>}
    </span>
  )
}

const tone: Record<string, string> = {
  open: 'red',
  snoozed: 'grey',
  scheduled: 'blue',
  sending: 'blue',
  awaiting: 'blue',
  compensating: 'blue',
  resolved: 'green',
  discarded: 'grey',
}

/** Where a letter stands, and how it was resolved. */
export function StateChip({
  letter,
  short = false,
}: {
  letter: Pick<Letter, 'state' | 'resolution'>
  short?: boolean
}) {
  const { state, resolution } = letter
  return (
    <span className={`chip ${tone[state] ?? 'grey'}`}>
      {short && resolution ? (
        code('resolution', resolution)
      ) : (
        <>
          {code('state', state)}
          {resolution && t('state.how', { how: code('resolution', resolution) })}
        </>
      )}
    </span>
  )
}

const badFlags = new Set(['failed_again', 'regressed', 'send_failed', 'possible_duplicate', 'quarantined'])

export function FlagChip({ flag, n }: { flag: string; n?: number }) {
  const words = code('flag', flag)
  return (
    <span className={`chip ${badFlags.has(flag) ? 'amber' : 'grey'}`} title={codeWords('flag.why', flag) ?? words}>
      {words}
      {n ? ` (${n})` : ''}
    </span>
  )
}

/** Two letters that stand for a person in a narrow column. */
export function initials(name: string): string {
  const parts =
    name
      .split('@')[0]
      ?.split(/[\s._-]+/)
      .filter(Boolean) ?? []
  const first = Array.from(parts[0] ?? name)
  const second = Array.from(parts[1] ?? '')
  return (second.length > 0 ? `${first[0] ?? ''}${second[0] ?? ''}` : first.slice(0, 2).join('')).toUpperCase()
}
