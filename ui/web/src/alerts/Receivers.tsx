import { useState } from 'react'
import { Link } from 'wouter'
import { asProblem, type Problem } from '../api/client'
import { useRights } from '../api/queries'
import { code, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/receivers.css'
import { Attempts } from './Attempts'
import { testReceiver, useDeliveries, useReceivers } from './api'
import { Needs, receiverSnippet, Snippet } from './Teach'
import type { AlertRule, Alerts, Delivery, Receiver } from './types'
import { DeliveryChip, receiverType } from './words'

/** Who can be told, whether they are reached, and a button that tries it. */
export function Receivers({ data }: { data: Alerts }) {
  const query = useReceivers()
  const deliveries = useDeliveries('limit=50').data?.items ?? []
  if (query.error && !query.data) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!query.data) return <Wait lines={6} />
  if (query.data.length === 0)
    return (
      <div className="empty">
        <h2>{t('receivers.none')}</h2>
        <p>{t('receivers.none.text')}</p>
        <Snippet text={receiverSnippet} />
        <Link href="/rules" className="button">
          {t('alert.show.rules')}
        </Link>
      </div>
    )
  return (
    <ul className="receivers">
      {query.data.map(r => (
        <Card
          key={r.name}
          r={r}
          rules={data.rules.filter(x => x.receivers.includes(r.name))}
          last={deliveries.find(d => d.receiver === r.name && d.state !== 'merged')}
        />
      ))}
    </ul>
  )
}

function Card({ r, rules, last }: { r: Receiver; rules: readonly AlertRule[]; last: Delivery | undefined }) {
  const rights = useRights()
  const [busy, setBusy] = useState(false)
  const [done, setDone] = useState<Delivery>()
  const [problem, setProblem] = useState<Problem>()
  const why = !rights.act ? t('why.role') : r.disabled ? t('receiver.disabled') : undefined
  const test = async () => {
    setBusy(true)
    setProblem(undefined)
    setDone(undefined)
    try {
      setDone(await testReceiver(r.name))
    } catch (e) {
      setProblem(asProblem(e))
    }
    setBusy(false)
  }
  return (
    <li className="card receiver">
      <div className="receiver-head">
        <h2 className="grow">
          <Foreign text={r.name} />
        </h2>
        {r.disabled ? (
          <span className="chip amber">
            <Icon name="mute" size={12} /> {t('receiver.off')}
          </span>
        ) : (
          <span className="chip green">
            <Icon name="check" size={12} /> {t('receiver.on')}
          </span>
        )}
        <button type="button" className="button small" disabled={busy || !!why} title={why} onClick={test}>
          <Icon name="bell" size={13} /> {t(busy ? 'working' : 'receiver.test')}
        </button>
      </div>
      <p className="small quiet">
        {receiverType(r.type, r.format)}
        {(r.signed || r.type === 'webhook') &&
          `${t('list.comma')}${t(r.signed ? 'receiver.signed' : 'receiver.unsigned')}`}
        {r.host && (
          <>
            {' · '}
            <span className="mono">{plain(r.host, 120)}</span>
          </>
        )}
        {' · '}
        {code('receiver.locale', r.locale)}
        {r.per_minute > 0 && ` · ${t('receiver.limit', { n: r.per_minute })}`}
      </p>
      {r.disabled && (
        <p className="receiver-needs">{r.needs ? <Needs needs={r.needs} /> : <Foreign text={r.disabled} />}</p>
      )}
      <p className="small">
        {rules.length === 0 ? (
          <span className="quiet">{t('receiver.unused')}</span>
        ) : (
          tx('receiver.rules', {
            rules: (
              <>
                {rules.map((x, i) => (
                  <span key={x.name}>
                    {i > 0 && t('list.comma')}
                    <Link href={`/alerts/rules?rule=${encodeURIComponent(x.name)}`}>
                      <Foreign text={x.name} />
                    </Link>
                  </span>
                ))}
              </>
            ),
          })
        )}
      </p>
      {last && !done && (
        <p className="small">
          {t('receiver.last')}
          {t('colon')}
          <Link href={`/alerts/deliveries/${last.id}`}>
            <Time at={last.changed_at} />
          </Link>{' '}
          <DeliveryChip d={last} />{' '}
          <Link href={`/alerts/deliveries?receiver=${encodeURIComponent(r.name)}`} className="quiet">
            {t('deliveries.all')}
          </Link>
        </p>
      )}
      {problem && <ProblemBox error={problem} />}
      {done && (
        <div className="test-result" role="status">
          <p>
            <DeliveryChip d={done} /> {t(done.state === 'sent' ? 'receiver.test.good' : 'receiver.test.bad')}{' '}
            <Link href={`/alerts/deliveries/${done.id}`}>{t('receiver.test.show')}</Link>
          </p>
          <Attempts d={{ ...done, attempts: Math.min(done.attempts, 1), log: (done.log ?? []).slice(0, 1) }} />
        </div>
      )}
    </li>
  )
}
