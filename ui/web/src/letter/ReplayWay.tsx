import type { ReactNode } from 'react'
import type { Detail, Replay } from '../api/types'
import { apiDuration } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { Id } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { Said } from '../parts/Said'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { ReplayMarks } from './ReplayMarks'

type StepState = 'done' | 'now' | 'todo' | 'bad' | 'unknown'

interface Step {
  key: 'intended' | 'sent' | 'consumer' | 'outcome'
  state: StepState
  at?: string | undefined
  words?: ReactNode
}

/** The four steps of a replay as far as it has come. */
export function stepsOf(r: Replay): Step[] {
  const settled = r.settled_at
  const final = r.outcome !== 'sending' && r.outcome !== 'waiting'
  const sent = r.sent_at !== undefined || r.outcome === 'waiting'
  const seen = r.seen_at !== undefined || r.outcome === 'confirmed' || r.outcome === 'failed_again'
  const good = r.outcome === 'confirmed' || r.outcome === 'assumed'
  const sentState: StepState =
    r.outcome === 'send_failed' ? 'bad' : sent ? 'done' : r.outcome === 'sending' ? 'now' : 'unknown'
  const consumer: StepState = seen ? 'done' : r.outcome === 'waiting' ? 'now' : final && sent ? 'unknown' : 'todo'
  const outcome: StepState = good
    ? 'done'
    : r.outcome === 'failed_again'
      ? 'bad'
      : r.outcome === 'unknown'
        ? 'unknown'
        : seen && !final
          ? 'now'
          : 'todo'
  return [
    { key: 'intended', state: 'done', at: r.intended_at },
    { key: 'sent', state: sentState, at: r.outcome === 'send_failed' ? settled : r.sent_at },
    { key: 'consumer', state: consumer === 'now' && seen ? 'done' : consumer, at: r.seen_at },
    { key: 'outcome', state: outcome, at: final && r.outcome !== 'send_failed' ? settled : undefined },
  ]
}

/** Where the newest replay of a letter is: intended, sent, with the consumer, confirmed or failed again. */
export function ReplayWay({ letter }: { letter: Detail }) {
  const r = letter.replay_list?.[0]
  if (!r) return null
  const steps = stepsOf(r)
  const waiting = r.outcome === 'waiting' || r.outcome === 'sending'
  const parked = r.deliver_at !== undefined && waiting && new Date(r.deliver_at).getTime() > Date.now()
  return (
    <section className={`way ${r.outcome}`} aria-label={t('way')}>
      <h2>
        {t('way.number', { n: r.number })}
        <span className="quiet">
          {' · '}
          {code('door.short', r.door)}
          {r.delay && r.delay !== '0s' ? ` · ${t('way.delay', { d: apiDuration(r.delay) })}` : ''}
          {' · '}
          {r.automatic ? t('actor.automation') : <Foreign text={code('actor', r.actor)} />}
          <ReplayMarks r={r} />
        </span>
      </h2>
      <ol>
        {steps.map(s => (
          <li key={s.key} className={s.state} aria-current={s.state === 'now' ? 'step' : undefined}>
            <span className="mark">
              <Icon
                name={
                  s.state === 'done'
                    ? 'check'
                    : s.state === 'bad'
                      ? 'close'
                      : s.state === 'unknown'
                        ? 'unknown'
                        : 'right'
                }
                size={12}
              />
            </span>
            <span className="step-name">
              {s.key === 'outcome' && (s.state === 'done' || s.state === 'bad' || s.state === 'unknown')
                ? code('outcome', r.outcome)
                : s.key === 'sent' && s.state === 'bad'
                  ? code('outcome', 'send_failed')
                  : s.key === 'consumer' && s.state === 'now'
                    ? t('way.consumer.now')
                    : t(`way.${s.key}`)}
              <span className="off-screen"> ({t(`way.state.${s.state}`)})</span>
            </span>
            <span className="step-at quiet num">{s.at ? <Time at={s.at} form="clock" /> : ''}</span>
          </li>
        ))}
      </ol>
      <p className="way-words">
        {parked && r.deliver_at
          ? tx('way.parked', { due: <Time at={r.deliver_at} form="in" />, at: <Time at={r.deliver_at} form="clock" /> })
          : r.detail && (codeWords('detail', r.detail) ?? plain(r.detail))}{' '}
        {r.error && (
          <span className="bad">
            <Said text={r.error} />
          </span>
        )}
        {waiting && r.next_look && !parked && (
          <span className="quiet"> {tx('way.next', { due: <Time at={r.next_look} form="in" /> })}</span>
        )}
      </p>
      {r.note && (
        <p className="way-note">
          “<Foreign text={r.note} />”
        </p>
      )}
      <details className="way-more">
        <summary>{t('way.more')}</summary>
        <dl className="pairs">
          <dt>{t('way.id')}</dt>
          <dd>
            <Id value={r.id} max={40} copy />
          </dd>
          <dt>{t('replay.door')}</dt>
          <dd>
            {code('door', r.door)} — {code('door.why', r.why, { group: r.consumer_group, topic: r.topic })}{' '}
            {r.target_kind && <span className="chip amber">{code('way.target', r.target_kind)}</span>}
          </dd>
          <dt>{t('way.target')}</dt>
          <dd className="mono">
            <Foreign text={r.target} />
          </dd>
          {r.unique_key && (
            <>
              <dt>UNIQ_KEY</dt>
              <dd>
                <Id value={r.unique_key} max={40} copy />{' '}
                {r.as_new && <span className="chip blue">{t('way.as_new')}</span>}
              </dd>
            </>
          )}
          {r.receipt.message_id && (
            <>
              <dt>{t('way.receipt')}</dt>
              <dd>
                <Id value={r.receipt.message_id} max={36} copy /> <Foreign text={r.receipt.broker ?? ''} />
                {r.receipt.weak && <span className="chip amber">{t('way.weak')}</span>}
              </dd>
            </>
          )}
          <dt>{t('way.looks')}</dt>
          <dd className="num">{t('way.looks.n', { n: r.looks })}</dd>
        </dl>
      </details>
    </section>
  )
}
