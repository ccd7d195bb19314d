import { type ReactNode, useEffect, useRef } from 'react'
import { Link, useSearch } from 'wouter'
import { apiDuration, parseDuration } from '../i18n/format'
import { code, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { Said } from '../parts/Said'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import type { Shared } from './AlertsView'
import { alertOf } from './logic'
import { NoRules } from './Teach'
import type { Alert, AlertRule, AlertValue } from './types'
import { amount, Gauge, LabelChips, RuleLink, ruleSentence } from './words'

/** Every rule with its newest values beside the threshold: why it fires, and why it does not. */
export function Rules({ data }: Shared) {
  const open = new URLSearchParams(useSearch()).get('rule')
  if (data.rules.length === 0) return <NoRules />
  return (
    <ul className="alert-rules">
      {data.rules.map(r => (
        <Rule
          key={`${r.line} ${r.name}`}
          r={r}
          alerts={data.items}
          open={r.name === open}
          only={data.rules.length === 1}
        />
      ))}
    </ul>
  )
}

interface RuleProps {
  r: AlertRule
  alerts: readonly Alert[]
  open: boolean
  /** There is no other. */
  only: boolean
}

function Rule({ r, alerts, open, only }: RuleProps) {
  const box = useRef<HTMLLIElement>(null)
  useEffect(() => {
    if (open) box.current?.scrollIntoView({ block: 'nearest' })
  }, [open])
  const shown = open || only
  return (
    <li className={`alert-rule${r.off ? ' off' : ''}`} ref={box}>
      <div className="alert-top">
        <h2 className="grow">
          <Link
            href={open ? '/alerts/rules' : `/alerts/rules?rule=${encodeURIComponent(r.name)}`}
            aria-expanded={shown}
            className="alert-title"
          >
            <Icon name={shown ? 'down' : 'right'} size={14} />
            <strong>
              <Foreign text={r.name} />
            </strong>
          </Link>
        </h2>
        <RuleState r={r} />
      </div>
      <p className="rule-sentence">
        {ruleSentence(r)} <span className="quiet">· {code('alert.severity', r.severity)}</span>
      </p>
      <p className="small quiet rule-told">
        {r.receivers.length === 0
          ? t('told.nobody')
          : tx('alert.rule.tells', {
              receivers: (
                <>
                  {r.receivers.map((x, i) => (
                    <span key={x}>
                      {i > 0 && t('list.comma')}
                      <Foreign text={x} />
                    </span>
                  ))}
                </>
              ),
            })}
        {r.keep_firing_for !== '0s' && ` · ${t('alert.rule.keeps', { d: apiDuration(r.keep_firing_for) })}`}
        {' · '}
        <RuleLink rule={r}>{t('why.line', { n: r.line })}</RuleLink>
      </p>
      {shown && <Values r={r} alerts={alerts} />}
    </li>
  )
}

function RuleState({ r }: { r: AlertRule }) {
  const firing = r.values.filter(v => v.state === 'firing').length
  const pending = r.values.filter(v => v.state === 'pending').length
  if (r.off) return <span className="chip grey">{t('alert.rule.off')}</span>
  if (r.error)
    return (
      <span className="chip amber">
        <Icon name="alert" size={12} /> {t('alert.rule.error')}
      </span>
    )
  if (firing > 0)
    return (
      <span className="chip red">
        <Icon name="alert" size={12} /> {t('alert.rule.firing', { n: firing })}
      </span>
    )
  if (pending > 0)
    return (
      <span className="chip amber">
        <Icon name="clock" size={12} /> {t('alert.rule.pending', { n: pending })}
      </span>
    )
  return <span className="chip green">{t(r.evaluated_at ? 'alert.rule.calm' : 'alert.rule.unseen')}</span>
}

function Values({ r, alerts }: { r: AlertRule; alerts: readonly Alert[] }) {
  if (r.off) return <p className="hint rule-note">{t('alert.rule.off.text')}</p>
  return (
    <div className="rule-values">
      {r.error && (
        <p className="note-amber">
          <Said text={r.error} />
        </p>
      )}
      {r.evaluated_at && <p className="small quiet">{tx('alerts.looked', { at: <Time at={r.evaluated_at} /> })}</p>}
      {r.values.length === 0 && !r.error ? (
        <p className="hint">{t(r.evaluated_at ? 'alert.values.none' : 'alerts.looked.never')}</p>
      ) : (
        <ul>
          {r.values.map(v => (
            <li key={JSON.stringify(v.labels)} className={v.state || 'calm'}>
              <span className="value-labels">
                {Object.keys(v.labels).length > 0 ? (
                  <LabelChips labels={v.labels} />
                ) : (
                  <span>{t('alert.values.all')}</span>
                )}
              </span>
              <span className="value-gauge">
                <strong className="num">{amount(r.unit, v.value)}</strong>
                <Gauge v={v} r={r} />
                {r.unit !== 'flag' && <span className="quiet small num">{amount(r.unit, r.threshold)}</span>}
              </span>
              <span className="value-state small">
                <ValueWords r={r} v={v} a={alertOf(r, v, alerts)} />
              </span>
            </li>
          ))}
        </ul>
      )}
      {!!r.more_values && <p className="small quiet">{t('alert.values.more', { n: r.more_values })}</p>}
    </div>
  )
}

/** Why this value fires, or why not. */
function ValueWords({ r, v, a }: { r: AlertRule; v: AlertValue; a: Alert | undefined }): ReactNode {
  if (v.state === 'firing')
    return a ? (
      <Link href={`/alerts?alert=${a.id}`} className="bad">
        {tx('alert.value.firing.since', { at: <Time at={a.active_since} form="age" /> })}
      </Link>
    ) : (
      <span className="bad">{t('alert.value.firing')}</span>
    )
  if (v.state === 'pending') {
    if (!a) return <span className="amber">{t('alert.state.pending')}</span>
    const at = new Date(Date.parse(a.active_since) + parseDuration(r.for)).toISOString()
    return (
      <Link href={`/alerts?alert=${a.id}`} className="amber">
        {tx('alert.fires', { at: <Time at={at} form="in" /> })}
      </Link>
    )
  }
  if (r.unit === 'flag') return <span className="quiet">{t('alert.value.flag')}</span>
  if (v.value === r.threshold)
    return <span className="quiet">{t(r.below ? 'alert.value.not.under' : 'alert.value.not.over')}</span>
  return (
    <span className="quiet">
      {t(r.below ? 'alert.value.above' : 'alert.value.below', {
        d: amount(r.unit, Math.abs(r.threshold - v.value)),
      })}
    </span>
  )
}
