import type { ReactNode } from 'react'
import { apiDuration, count, parseDuration } from '../i18n/format'
import { formatNumber, t, tx } from '../i18n/i18n'
import { plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { canaryOf } from './spec'
import type { Operation, Spec } from './types'
import { rateWords } from './words'

const some = (d: string | undefined): d is string => !!d && parseDuration(d) > 0

/** How fast it acts. */
export function speedWords({ pace }: Spec): string {
  return [
    pace.rate > 0 ? t('how.rate', { n: formatNumber(pace.rate) }) : rateWords(0),
    some(pace.ramp_up) && t('how.ramp', { d: apiDuration(pace.ramp_up) }),
    pace.concurrency > 0 && t('how.concurrency', { n: pace.concurrency }),
  ]
    .filter(Boolean)
    .join(t('list.comma'))
}

/** How many letters go first. */
export function canaryWords({ canary }: Spec, letters: number): string {
  const n = canaryOf(canary, letters)
  return n > 0 ? t('how.canary.n', { n, count: count(n) }) : t('how.canary.none')
}

export const brakeWords = ({ brake }: Spec): string =>
  brake.of > 0 ? t('how.brake.words', { n: brake.of, above: formatNumber(brake.above) }) : t('how.brake.none')

/** When the messages go. */
export function whenWords(s: Spec): ReactNode {
  const r = s.replay
  const parts: ReactNode[] = []
  if (s.window)
    parts.push(
      `${t('how.window.words', { from: s.window.from, to: s.window.to })}${s.window.zone ? ` (${plain(s.window.zone, 40)})` : ''}`,
    )
  if (r?.deliver_at) parts.push(tx('how.at.words', { at: <Time at={r.deliver_at} form="moment" /> }))
  else if (some(r?.delay)) parts.push(t('how.delay.words', { d: apiDuration(r.delay) }))
  if (some(r?.spread)) parts.push(t('how.spread.words', { d: apiDuration(r.spread) }))
  if (parts.length === 0) return t('replay.at_once')
  return parts.map((p, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts stand in a fixed order
    <span key={i}>
      {i > 0 && t('list.comma')}
      {p}
    </span>
  ))
}

/** To whom the messages go. */
export function whomWords(s: Spec): ReactNode {
  const { kind = '', name = '' } = s.replay?.target ?? {}
  const fresh = s.replay?.as_new ? `${t('list.comma')}${t('way.as_new')}` : ''
  if (kind === '') return `${t('how.target.group')}${fresh}`
  if (kind === 'topic') return `${t('how.target.topic')}${fresh}`
  return (
    <>
      {tx(`how.target.${kind}.words`, { name: name ? <Foreign text={name} /> : '…' })}
      {fresh}
    </>
  )
}

/** In which order, and with what changes. */
export function changeWords(s: Spec): string {
  const n = s.replay?.transform?.length ?? 0
  return n > 0 ? t('how.transform.n', { n }) : t('how.transform.none')
}

/** How an operation acts, fact by fact. */
export function SpecFacts({ o }: { o: Operation }) {
  const s = o.spec
  return (
    <dl className="pairs">
      <dt>{t('how.speed')}</dt>
      <dd>{speedWords(s)}</dd>
      {s.replay && (
        <>
          <dt>{t('how.canary')}</dt>
          <dd>{canaryWords(s, o.letters)}</dd>
          <dt>{t('how.brake')}</dt>
          <dd>{brakeWords(s)}</dd>
          <dt>{t('how.when')}</dt>
          <dd>{whenWords(s)}</dd>
          <dt>{t('how.target')}</dt>
          <dd>{whomWords(s)}</dd>
          {s.replay.keep_order && (
            <>
              <dt>{t('how.order')}</dt>
              <dd>{t('how.order.kept')}</dd>
            </>
          )}
          {(s.replay.transform?.length ?? 0) > 0 && (
            <>
              <dt>{t('how.transform')}</dt>
              <dd>
                <Steps s={s} />
              </dd>
            </>
          )}
        </>
      )}
    </dl>
  )
}

function Steps({ s }: { s: Spec }) {
  return (
    <ol className="op-steps small mono">
      {s.replay?.transform?.map((step, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: steps have no other identity
        <li key={i}>
          {t(`transform.${step.do}`)} <Foreign text={plain(step.path ?? step.name ?? '', 80)} />
          {step.to && (
            <>
              {' → '}
              <Foreign text={plain(step.to, 80)} />
            </>
          )}
          {(step.do === 'set' || step.do === 'set_property') && (
            <>
              {' = '}
              <Foreign text={plain(step.value ?? '', 80)} />
            </>
          )}
        </li>
      ))}
    </ol>
  )
}
