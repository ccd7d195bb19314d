import { useState } from 'react'
import { useRights } from '../api/queries'
import type { Automation } from '../api/types'
import AutomationDialog, { type Change } from '../app/AutomationDialog'
import { code, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'

/** The switch that lets the console act by itself, and the stop that halts everything at once. */
export function AutomationCard({ a }: { a: Automation }) {
  const rights = useRights()
  const [change, setChange] = useState<Change>()
  const why = rights.admin ? undefined : t('why.admin')
  const state = a.stopped ? 'stopped' : a.on ? 'on' : 'off'
  return (
    <section className="card" aria-label={t('automation')}>
      <h2>{t('automation')}</h2>
      <p className="automation-state">
        <span className={`chip ${state === 'on' ? 'green' : state === 'off' ? 'grey' : 'red'}`}>
          {t(`automation.${state}`)}
        </span>{' '}
        {t(`automation.${state}.text`)}
      </p>
      {a.since && a.on && (
        <p className="quiet small">{tx('automation.since', { at: <Time at={a.since} form="moment" /> })}</p>
      )}
      {a.changed_at && (
        <p className="quiet small">
          {tx('automation.changed', {
            at: <Time at={a.changed_at} form="moment" />,
            who: <Foreign text={code('actor', a.actor ?? '')} />,
          })}
          {a.note && (
            <>
              {' '}
              “<Foreign text={a.note} />”
            </>
          )}
        </p>
      )}
      <div className="actions">
        <button
          type="button"
          role="switch"
          aria-checked={a.on}
          className="button"
          disabled={!rights.admin}
          title={why}
          onClick={() => setChange(a.on ? 'off' : 'on')}
        >
          <span className={a.on ? 'toggle on' : 'toggle'} aria-hidden="true" /> {t('automation.switch')}
        </button>
        <button
          type="button"
          className={a.stopped ? 'button' : 'button danger'}
          disabled={!rights.admin}
          title={why}
          onClick={() => setChange(a.stopped ? 'go' : 'stop')}
        >
          <Icon name={a.stopped ? 'replay' : 'stop'} /> {t(a.stopped ? 'automation.go' : 'automation.stop')}
        </button>
      </div>
      {why && <p className="quiet small">{why}</p>}
      {change && <AutomationDialog a={a} change={change} onClose={() => setChange(undefined)} />}
    </section>
  )
}
