import { Link, useLocation, useSearch } from 'wouter'
import { code, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { More } from '../parts/More'
import { plain } from '../parts/mask'
import { Pick } from '../parts/Pick'
import { ProblemBox } from '../parts/Problem'
import { Table } from '../parts/Table'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/deliveries.css'
import { useDeliveryPages, useReceivers } from './api'
import { type Alerts, type Delivery, deliveryStates } from './types'
import { DeliveryChip, deliveryAbout, deliveryTitle } from './words'

/** Everything that receivers were told or are to be told, newest first. The filter lives in the address. */
export function Deliveries({ data }: { data: Alerts }) {
  const [, go] = useLocation()
  const p = new URLSearchParams(useSearch())
  const receivers = useReceivers().data ?? []
  const filter = new URLSearchParams()
  for (const name of ['receiver', 'state', 'alert']) for (const v of p.getAll(name)) if (v) filter.append(name, v)
  const query = useDeliveryPages(filter.toString())
  const items = query.data?.pages.flatMap(page => page.items) ?? []
  const set = (name: string, value: string) => {
    const next = new URLSearchParams(filter)
    next.delete(name)
    if (value) next.set(name, value)
    go(next.size > 0 ? `/alerts/deliveries?${next}` : '/alerts/deliveries')
  }
  const alert = p.get('alert')
  const about = alert ? [...data.items, ...data.recent].find(a => a.id === alert) : undefined
  const receiver = p.get('receiver') ?? ''
  const names = [...new Set([...receivers.map(r => r.name), ...(receiver ? [receiver] : [])])]
  return (
    <>
      <div className="list-filter">
        <Pick
          label={t('deliveries.receiver')}
          any={t('deliveries.receiver.any')}
          value={receiver}
          options={names.map(n => [n, plain(n, 60)] as const)}
          onPick={v => set('receiver', v)}
        />
        <Pick
          label={t('deliveries.state')}
          any={t('deliveries.state.any')}
          value={p.get('state') ?? ''}
          options={deliveryStates.map(s => [s, code('delivery.state', s)] as const)}
          onPick={v => set('state', v)}
        />
        {alert && (
          <button type="button" className="button small" title={t('filter.remove')} onClick={() => set('alert', '')}>
            {t('deliveries.alert', { name: plain(about?.rule ?? alert, 40) })} <Icon name="close" size={12} />
          </button>
        )}
      </div>
      {query.error && !query.data ? (
        <ProblemBox error={query.error} again={() => query.refetch()} />
      ) : !query.data ? (
        <Wait lines={8} />
      ) : items.length === 0 ? (
        <div className="empty">
          <h2>{t(filter.size > 0 ? 'deliveries.none.filter' : 'deliveries.none')}</h2>
          {filter.size > 0 ? (
            <Link href="/alerts/deliveries" className="button">
              {t('filter.clear')}
            </Link>
          ) : (
            <>
              <p>{t('deliveries.none.text')}</p>
              <Link href="/alerts/receivers" className="button">
                {t('deliveries.none.test')}
              </Link>
            </>
          )}
        </div>
      ) : (
        <>
          <DeliveryTable items={items} />
          <More query={query} />
        </>
      )}
    </>
  )
}

export function DeliveryTable({ items, small = false }: { items: readonly Delivery[]; small?: boolean }) {
  return (
    <Table
      small={small}
      head={[
        t('deliveries.at'),
        t('deliveries.receiver'),
        t('deliveries.what'),
        t('deliveries.state'),
        [t('deliveries.attempts'), 'right wide-only'],
      ]}
    >
      {items.map(d => (
        <tr key={d.id}>
          <td className="num">
            <Link href={`/alerts/deliveries/${d.id}`}>
              <Time at={d.created_at} form="moment" />
            </Link>
          </td>
          <td>
            <Foreign text={d.receiver} />
          </td>
          <td className="delivery-what">
            {deliveryTitle(d)} <span className="quiet">{deliveryAbout(d)}</span>
          </td>
          <td>
            <DeliveryChip d={d} />{' '}
            {!!d.status && d.state !== 'sent' && <span className="quiet small num wide-only">HTTP {d.status}</span>}
          </td>
          <td className="right num wide-only">{d.attempts}</td>
        </tr>
      ))}
    </Table>
  )
}
