import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Detail } from '../api/types'
import { codeWords, t, tx } from '../i18n/i18n'
import { EarlierMark, FlagChip, Origin, Reason, SeverityMark } from '../letters/words'
import { Id } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { Foreign, Name } from '../parts/Text'
import { Time } from '../parts/Time'

const weak = new Set(['broker', 'unknown', ''])
const guarded = new Set(['quarantined', 'stale'])

/** What the letter is, why it died, and what the rules advise. */
export function Head({ letter: l }: { letter: Detail }) {
  const flags = l.flags ?? []
  return (
    <div className="head">
      <p className="head-reason">
        <SeverityMark severity={l.severity} />
        <strong>
          <Reason reason={l.reason} />
        </strong>
        <span className="quiet head-origin">
          <Origin letter={l} />
          {l.reason_field ? <Foreign text={l.reason_field} /> : codeWords('origin', l.reason_origin)}
        </span>
        <EarlierMark letter={l} />
        {flags.map(f => (
          <FlagChip key={f} flag={f} n={f === 'failed_again' ? l.deaths : 0} />
        ))}
      </p>
      {l.reason_text && (
        <p className="head-text">
          <Foreign text={l.reason_text.slice(0, 2000)} />
        </p>
      )}
      {l.reason_death && <Earlier letter={l} />}
      {weak.has(l.reason_origin) && <p className="hint">{t('letter.reason.weak')}</p>}
      <p className="facts">
        <span>
          <Link href={`/letters?consumer_group=${encodeURIComponent(l.consumer_group)}`} title={t('facet.groups')}>
            <Name text={l.consumer_group} />
          </Link>
        </span>
        <span title={t('list.topic')}>{l.topic ? <Name text={l.topic} /> : t('topic.unknown')}</span>
        <span>
          {tx('letter.died', { at: <Time at={l.died_at} /> })}
          {l.deaths > 1 ? ` · ${t('deaths', { n: l.deaths })}` : ''}
        </span>
        <span>{t('letter.attempts', { n: l.attempts })}</span>
        {l.business && (
          <span>
            {t('letter.business')}
            {t('colon')}
            <Foreign text={l.business} />
          </span>
        )}
        {l.tags && (
          <span>
            {t('letter.tags')}
            {t('colon')}
            <Foreign text={middle(l.tags, 30)} />
          </span>
        )}
        {l.owner && <span>{tx('letter.owner', { name: <Foreign text={l.owner} /> })}</span>}
        <span title={t('letter.id')}>
          <span className="num">#{l.id}</span>
        </span>
        {l.message_id && (
          <span title={t('letter.message_id')}>
            <Id value={l.message_id} max={18} copy />
          </span>
        )}
      </p>
      <Advice letter={l} />
    </div>
  )
}

/** Whose reason it is, and what the newest death says instead. */
function Earlier({ letter: l }: { letter: Detail }) {
  const [newest] = l.history ?? []
  const from = l.history?.find(d => d.id === l.reason_death)
  return (
    <p className="hint">
      {from && tx('reason.earlier.long', { at: <Time at={from.stored_at} form="moment" /> })}{' '}
      {newest?.reason && tx('letter.reason.own', { reason: <Reason reason={newest.reason} /> })}
    </p>
  )
}

/** The rule's route in a sentence, and why it is (not) acted on. */
function Advice({ letter: l }: { letter: Detail }) {
  const rule = l.rule ? (
    <Link href={`/rules?rule=${encodeURIComponent(l.rule)}`}>
      <Foreign text={l.rule} />
    </Link>
  ) : (
    t('advice.no_rule')
  )
  const parts: ReactNode[] = []
  const due = l.due_at ? <Time key="due" at={l.due_at} form="in" /> : t('dur.now')
  switch (l.state) {
    case 'open':
      parts.push(tx(`advice.${l.route}`, { rule }))
      // What a guard holds is said beside the actions, in full.
      if (l.hold && !guarded.has(l.hold)) parts.push(codeWords('hold', l.hold) ?? l.hold)
      break
    case 'snoozed':
      parts.push(tx('advice.snoozed', { due }))
      break
    case 'scheduled':
      parts.push(tx('advice.scheduled', { rule, due }))
      break
    case 'compensating':
      parts.push(tx('advice.compensating', { rule }))
      if (l.due_at) parts.push(tx('advice.compensating.next', { due }))
      break
    case 'sending':
      parts.push(t('advice.sending'))
      break
    case 'awaiting':
      parts.push(t('advice.awaiting'))
      break
    case 'resolved':
      parts.push(t(`advice.resolved`, { how: codeWords('resolution.long', l.resolution ?? '') ?? '' }))
      break
    case 'discarded':
      parts.push(t('advice.discarded'))
      break
  }
  if (l.expires_at) parts.push(tx('advice.expires', { due: <Time at={l.expires_at} form="in" /> }))
  return (
    <div className="advice">
      <Icon name="bolt" size={14} />
      <p>
        {parts.map((p, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: sentences have no other identity
          <span key={i}>
            {p}
            {t('list.space')}
          </span>
        ))}
        {l.runbook && /^https?:\/\//.test(l.runbook) && (
          <a href={l.runbook} target="_blank" rel="noreferrer" title={plain(l.runbook)}>
            {t('letter.runbook')}
          </a>
        )}
      </p>
    </div>
  )
}
