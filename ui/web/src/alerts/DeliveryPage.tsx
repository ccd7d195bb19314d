import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import { asProblem, type Problem } from '../api/client'
import { useRights } from '../api/queries'
import { useKeys } from '../app/keys'
import { code, t, tx } from '../i18n/i18n'
import { Id } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { Foreign } from '../parts/Text'
import { Time, useNow } from '../parts/Time'
import { Wait } from '../parts/Wait'
import { Attempts } from './Attempts'
import { sendAgain, useDelivery } from './api'
import type { Delivery } from './types'
import { AlertTitle, amount, DeliveryChip, deliveryTitle, receiverType, StateChip } from './words'

/** One delivery: what it says, how it went, every request and every answer. */
export function DeliveryPage({ id }: { id: string }) {
  const query = useDelivery(id)
  const [, go] = useLocation()
  useKeys({ Escape: () => go('/alerts/deliveries') })
  return (
    <div className="delivery">
      <Link href="/alerts/deliveries" className="back small">
        <Icon name="left" size={14} /> {t('deliveries.back')}
      </Link>
      {query.error && !query.data ? (
        <ProblemBox error={query.error} again={() => query.refetch()} />
      ) : query.data ? (
        <Shown d={query.data} />
      ) : (
        <Wait lines={8} />
      )}
    </div>
  )
}

/** When it is tried next; in the outbox's own time when that has come. */
function Next({ at }: { at: string }) {
  return Date.parse(at) > useNow(1000) ? <Time at={at} form="in" /> : t('delivery.next.now')
}

// What says nothing of its own any more, and what there is nobody to tell.
const shut: Partial<Record<Delivery['state'], 'delivery.shut.merged' | 'delivery.shut.cancelled'>> = {
  merged: 'delivery.shut.merged',
  cancelled: 'delivery.shut.cancelled',
}

function Shown({ d }: { d: Delivery }) {
  const rights = useRights()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const why = !rights.act ? t('why.role') : shut[d.state] && t(shut[d.state] as 'delivery.shut.merged')
  const again = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      await sendAgain(d.id)
    } catch (e) {
      setProblem(asProblem(e))
    }
    setBusy(false)
  }
  const alerts = d.notification.alerts
  return (
    <>
      <header className="delivery-head">
        <div className="grow">
          <h2>
            {tx('delivery.title', { what: deliveryTitle(d), receiver: <Foreign text={d.receiver} /> })}{' '}
            <DeliveryChip d={d} />
          </h2>
          <p className="quiet small">
            {receiverType(d.type)} · {code('notify', d.notification.reason)} · <Time at={d.created_at} form="moment" />
            {d.actor && (
              <>
                {' · '}
                {tx('delivery.by', { who: <Foreign text={code('actor', d.actor)} /> })}
              </>
            )}
          </p>
        </div>
        <button type="button" className="button" disabled={busy || !!why} title={why} onClick={again}>
          <Icon name="loop" /> {t(busy ? 'working' : d.state === 'pending' ? 'delivery.now' : 'delivery.again')}
        </button>
      </header>
      {why && <p className="quiet small">{why}</p>}
      {problem && <ProblemBox error={problem} />}
      <dl className="pairs">
        <dt>{d.type === 'webhook' ? 'webhook-id' : t('delivery.number')}</dt>
        <dd>
          <Id value={d.id} max={32} copy />{' '}
          {d.type === 'webhook' && <span className="quiet small">{t('delivery.id')}</span>}
        </dd>
        {d.error && d.state !== 'sent' && (
          <>
            <dt>{t('delivery.error')}</dt>
            <dd className="bad">
              <Said text={d.error} />
            </dd>
          </>
        )}
        {d.state === 'pending' && d.next_at && (
          <>
            <dt>{t('delivery.next')}</dt>
            <dd>
              <Next at={d.next_at} />
            </dd>
          </>
        )}
        {d.merged_into && (
          <>
            <dt>{t('delivery.merged')}</dt>
            <dd>
              <Link href={`/alerts/deliveries/${d.merged_into}`}>
                <code>{plain(d.merged_into)}</code>
              </Link>
            </dd>
          </>
        )}
      </dl>
      {alerts.length > 0 && (
        <section aria-label={t('delivery.says')}>
          <h3>{t('delivery.says')}</h3>
          <ul className="says">
            {alerts.map(a => (
              <li key={a.id}>
                <StateChip alert={a} />
                <Link href={`/alerts?alert=${a.id}`} className="alert-title grow">
                  <span>
                    <AlertTitle labels={a.labels} rule={a.rule} />
                  </span>
                </Link>
                {a.unit !== 'flag' && <span className="num quiet">{amount(a.unit, a.value)}</span>}
              </li>
            ))}
            {!!d.notification.more && <li className="quiet">{t('more.n', { n: d.notification.more })}</li>}
          </ul>
        </section>
      )}
      <section aria-label={t('delivery.log')}>
        <h3>{t('delivery.log')}</h3>
        <Attempts d={d} />
      </section>
    </>
  )
}
