import { useEffect, useState } from 'react'
import { Link, useParams } from 'wouter'
import { client, useRights, useStatus } from '../api/queries'
import { count } from '../i18n/format'
import { type Key, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { ProblemBox } from '../parts/Problem'
import { Time, useNow } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/alerts.css'
import '../style/gauges.css'
import '../style/letters.css'
import '../style/timeline.css'
import '../style/view.css'
import { useAlerts, useSilences } from './api'
import { Deliveries } from './Deliveries'
import { DeliveryPage } from './DeliveryPage'
import { phaseOf, silenceOf } from './logic'
import { Now } from './Now'
import { Receivers } from './Receivers'
import { Rules } from './Rules'
import { SilenceDialog } from './SilenceDialog'
import { Silences } from './Silences'
import type { Alert, Alerts, Silence } from './types'

const parts = ['now', 'rules', 'silences', 'deliveries', 'receivers'] as const
type Part = (typeof parts)[number]
const names: Record<Part, Key> = {
  now: 'alerts.now',
  rules: 'alerts.rules',
  silences: 'alerts.silences',
  deliveries: 'alerts.deliveries',
  receivers: 'alerts.receivers',
}

/** What every part is given. */
export interface Shared {
  data: Alerts
  silences: readonly Silence[]
  /** Opens the form for a silence, filled in for an alert. */
  silence: (a?: Alert) => void
}

/** What fires, who was told, why (not), and what holds it back. */
export default function AlertsView() {
  const params = useParams<{ part?: string; id?: string }>()
  const part = parts.find(p => p === params.part) ?? 'now'
  const query = useAlerts()
  const silences = useSilences().data ?? []
  const rights = useRights()
  const counts = useStatus().data?.alerts
  const now = useNow(5000)
  const [form, setForm] = useState<{ alert?: Alert | undefined }>()
  // The stream of events carries the counts; when they move, something happened.
  const moved = JSON.stringify(counts)
  useEffect(() => {
    if (moved) client.invalidateQueries({ queryKey: ['alerts'] })
  }, [moved])

  const data = query.data
  const firing = data?.items.filter(a => a.state === 'firing') ?? []
  const shown: Record<Part, number | undefined> = {
    now: data && firing.length,
    rules: data?.rules.length,
    silences: silences.filter(s => phaseOf(s, now) !== 'over').length || undefined,
    deliveries: undefined,
    receivers: undefined,
  }
  return (
    <div className="alerts">
      <header className="alerts-head">
        <div className="grow">
          <h1>{t('nav.alerts')}</h1>
          {data && <Sentence data={data} silenced={firing.filter(a => silenceOf(a, silences, now)).length} />}
        </div>
        <button
          type="button"
          className="button"
          disabled={!rights.act}
          title={rights.act ? undefined : t('why.role')}
          onClick={() => setForm({})}
        >
          <Icon name="mute" /> {t('silence.do')}
        </button>
      </header>
      <nav className="tabs" aria-label={t('alerts.parts')}>
        {parts.map(p => (
          <Link key={p} href={p === 'now' ? '/alerts' : `/alerts/${p}`} aria-current={p === part ? 'page' : undefined}>
            {t(names[p])}
            {shown[p] !== undefined && <span className="num"> {count(shown[p])}</span>}
          </Link>
        ))}
      </nav>
      <div className="alerts-part">
        {query.error && !data ? (
          <ProblemBox error={query.error} again={() => query.refetch()} />
        ) : !data ? (
          <Wait lines={8} />
        ) : (
          <Content part={part} id={params.id} shared={{ data, silences, silence: alert => setForm({ alert }) }} />
        )}
      </div>
      {form && data && (
        <SilenceDialog alert={form.alert} data={data} silences={silences} onClose={() => setForm(undefined)} />
      )}
    </div>
  )
}

function Content({ part, id, shared }: { part: Part; id: string | undefined; shared: Shared }) {
  switch (part) {
    case 'rules':
      return <Rules {...shared} />
    case 'silences':
      return <Silences {...shared} />
    case 'deliveries':
      return id ? <DeliveryPage key={id} id={decoded(id)} /> : <Deliveries data={shared.data} />
    case 'receivers':
      return <Receivers data={shared.data} />
    default:
      return <Now {...shared} />
  }
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return id
  }
}

// Conditions are looked at every few seconds; a look that is older than this says that something is wrong.
const stale = 60_000

function Sentence({ data, silenced }: { data: Alerts; silenced: number }) {
  const now = useNow(5000)
  const firing = data.items.filter(a => a.state === 'firing').length
  const pending = data.items.length - firing
  const words = [
    firing > 0 ? t('alerts.firing', { n: firing }) : t('alerts.firing.none'),
    silenced > 0 && t('alerts.silenced', { n: silenced }),
    pending > 0 && t('alerts.pending', { n: pending }),
  ].filter(Boolean)
  const old = data.evaluated_at !== undefined && now - Date.parse(data.evaluated_at) > stale
  return (
    <p className="quiet">
      {words.join(t('list.separator'))}
      {' · '}
      {data.evaluated_at ? (
        <span className={old ? 'amber' : undefined}>
          {old && <Icon name="alert" size={13} />} {tx('alerts.looked', { at: <Time at={data.evaluated_at} /> })}
        </span>
      ) : (
        t('alerts.looked.never')
      )}
    </p>
  )
}
