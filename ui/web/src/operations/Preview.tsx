import { useState } from 'react'
import type { Facet } from '../api/types'
import { count } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { grave } from '../letter/replayWords'
import { Reason } from '../letters/words'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { Said } from '../parts/Said'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import '../style/preview.css'
import { Samples } from './Samples'
import { warns } from './spec'
import type { DoorPreview, Preview as Found, Kind, Operation, ReplaySpec } from './types'
import { countOf, skipWords } from './words'

interface Props {
  o: Operation
  p: Found
  /** With it, quarantined and stale letters can be ticked to be taken in. */
  onInclude?: ((change: Partial<ReplaySpec>) => void) | undefined
  /** Takes in what has arrived since the list was frozen, or only counts anew. */
  onRefresh?: ((add: boolean) => void) | undefined
  replay?: ReplaySpec | undefined
}

/** What an operation will do, as far as it can be known before. */
export function Preview({ o, p, onInclude, onRefresh, replay = o.spec.replay }: Props) {
  const skipped = Object.entries(p.skipped ?? {})
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1])
  const capped = p.examined < p.letters
  return (
    <div className="op-preview">
      <section className="op-headline" aria-label={t('preview.headline')}>
        <p>
          {tx(`preview.eligible.${o.kind}`, {
            n: p.eligible,
            b: <strong className="num">{count(p.eligible)}</strong>,
            of: count(p.letters),
          })}
        </p>
        <svg className="op-split thin" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
          <rect width="100" height="1" className="item-skipped" />
          <rect width={p.letters ? (100 * p.eligible) / p.letters : 0} height="1" className="item-eligible" />
        </svg>
      </section>
      {onRefresh && o.drift && <Drift o={o} onRefresh={onRefresh} />}
      {skipped.length > 0 && (
        <section aria-label={t('preview.skipped')}>
          <h4>{t('preview.skipped')}</h4>
          <ul className="op-figures">
            {skipped.map(([why, n]) => (
              <li key={why}>
                <span className="num">{count(n)}</span> <span>{skipWords(why)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {o.kind === 'replay' && onInclude && (p.quarantined > 0 || p.stale > 0) && (
        <section className="op-include" aria-label={t('preview.include')}>
          {p.quarantined > 0 && (
            <label className="check">
              <input
                type="checkbox"
                checked={replay?.include_quarantined ?? false}
                onChange={e => onInclude({ include_quarantined: e.target.checked })}
              />
              <span>
                {t('preview.quarantined', { n: p.quarantined })}{' '}
                <small className="quiet">{t('preview.quarantined.text')}</small>
              </span>
            </label>
          )}
          {p.stale > 0 && (
            <label className="check">
              <input
                type="checkbox"
                checked={replay?.include_stale ?? false}
                onChange={e => onInclude({ include_stale: e.target.checked })}
              />
              <span>
                {t('preview.stale', { n: p.stale })} <small className="quiet">{t('preview.stale.text')}</small>
              </span>
            </label>
          )}
        </section>
      )}
      {p.samples && p.samples.length > 0 && <Samples samples={p.samples} errors={p.transform_errors} of={p.examined} />}
      {o.kind === 'replay' && <Risks p={p} />}
      {o.kind === 'replay' && (
        <section aria-label={t('preview.doors')}>
          <h4>{t('preview.doors')}</h4>
          {p.broker_error && (
            <p className="note-amber">
              <Icon name="alert" size={14} /> <Said text={p.broker_error} />
            </p>
          )}
          <ul className="op-doors">
            {(p.doors ?? []).map(d => (
              <DoorLine key={`${d.consumer_group} ${d.door} ${d.why} ${d.target}`} d={d} />
            ))}
          </ul>
        </section>
      )}
      {o.kind === 'replay' && <CauseGone p={p} />}
      <section className="op-facets" aria-label={t('preview.split')}>
        <Split name={t('facet.groups')} facets={p.consumer_groups} />
        <Split name={t('facet.reasons')} facets={p.reasons} family="reason" />
        <Split name={t('facet.topics')} facets={p.topics} />
        <Split name={t('facet.routes')} facets={p.routes} family="route" />
      </section>
      <p className="quiet small">
        {p.oldest_died && p.newest_died && (
          <>
            {tx('preview.ages', {
              from: <Time at={p.oldest_died} form="moment" />,
              to: <Time at={p.newest_died} form="moment" />,
            })}{' '}
          </>
        )}
        {o.kind === 'replay' && capped && `${t('preview.examined', { n: p.examined })} `}
        {tx('preview.at', { at: <Time at={p.at} /> })}{' '}
        {onRefresh && (
          <button type="button" className="link" onClick={() => onRefresh(false)}>
            {t('preview.again')}
          </button>
        )}
      </p>
    </div>
  )
}

function Drift({ o, onRefresh }: { o: Operation; onRefresh: (add: boolean) => void }) {
  const d = o.drift
  if (!d || (d.gone === 0 && d.arrived.count === 0)) return null
  return (
    <p className="op-drift" role="status">
      <Icon name="info" size={14} />
      <span>
        {d.gone > 0 && t('drift.gone', { n: d.gone })}
        {d.gone > 0 && d.arrived.count > 0 && ' · '}
        {d.arrived.count > 0 && (
          <>
            {t('drift.arrived', { n: d.arrived.count, count: countOf(d.arrived) })}{' '}
            <button type="button" className="link" onClick={() => onRefresh(true)}>
              {t('drift.add')}
            </button>
          </>
        )}
      </span>
    </p>
  )
}

/** What could go wrong. What was found letter by letter says of how many. */
function Risks({ p }: { p: Found }) {
  const of = p.examined < p.letters ? t('preview.of', { n: p.examined }) : ''
  const risks: [string, number, string][] = [
    ['near_expiry', p.near_expiry, ''],
    ['replayed_before', p.replayed_before, ''],
    ['failed_again', p.failed_again, ''],
    ['duplicates', p.duplicates, of],
    ['order_risk', p.order_risk, of],
  ]
  const there = risks.filter(([, n]) => n > 0)
  const warned = warns(p)
  return (
    <section aria-label={t('preview.risks')}>
      <h4>{t('preview.risks')}</h4>
      {there.length === 0 && warned ? (
        <p className="amber small">
          <Icon name="alert" size={14} /> {t('preview.risks.below')}
        </p>
      ) : there.length === 0 ? (
        <p className="good small">
          <Icon name="check" size={14} /> {t('preview.risks.none')}
        </p>
      ) : (
        <ul className="op-figures">
          {there.map(([name, n, cap]) => (
            <li key={name} className={name === 'replayed_before' ? undefined : 'amber'}>
              <span className="num">{count(n)}</span>{' '}
              <span>
                {code('preview.risk', name, { n })}
                {cap && <small className="quiet"> {cap}</small>}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function DoorLine({ d }: { d: DoorPreview }) {
  const params = { group: d.consumer_group, topic: d.target ?? '', n: d.receivers?.length ?? 0 }
  const receivers = d.receivers ?? []
  const shut = !d.door
  return (
    <li className={shut ? 'shut' : undefined}>
      <span className="num">{count(d.letters)}</span>
      <div className="grow">
        <p>
          <Foreign text={d.consumer_group} className="strong" />{' '}
          <span className="quiet small">{d.door ? code('door.short', d.door) : t('preview.shut')}</span>
        </p>
        <p className="small">{whyOf(d, params)}</p>
        {!shut && (receivers.length > 1 || receivers[0] !== d.consumer_group || !d.complete) && (
          <p className="small">
            {t('replay.receivers')}
            {t('colon')}
            {receivers.map((g, i) => (
              <span key={g}>
                {i > 0 ? t('list.comma') : ''}
                <Foreign text={g} />
              </span>
            ))}
            {!d.complete && ` ${t('replay.receivers.more')}`}
          </p>
        )}
        {(d.warnings ?? []).map(w => (
          <p key={w} className={`small ${grave(w) ? 'bad' : 'amber'}`}>
            <Icon name={grave(w) ? 'alert' : 'info'} size={12} /> {code('door.warning', w, params)}
          </p>
        ))}
      </div>
    </li>
  )
}

const whyOf = (d: DoorPreview, params: Record<string, string | number>): string =>
  d.door ? (codeWords('door.why', d.why, params) ?? d.why) : skipWords(d.why, params)

/** Whether those who failed are there again, and whether the same failures go on. */
function CauseGone({ p }: { p: Found }) {
  const consumers = p.consumers ?? []
  const causes = p.causes ?? []
  if (consumers.length === 0 && causes.length === 0) return null
  return (
    <section aria-label={t('preview.cause')}>
      <h4>{t('preview.cause')}</h4>
      <ul className="op-causes">
        {consumers.map(({ group: g, error }) => {
          const good = !error && g.online
          return (
            <li key={`group ${g.name}`} className={good ? 'good' : 'amber'}>
              <Icon name={good ? 'check' : 'alert'} size={14} />
              <span>
                <Foreign text={g.name} className="strong" />{' '}
                {error ? (
                  <Said text={error} />
                ) : g.online ? (
                  t('cause.online', { n: g.clients?.length ?? 0 })
                ) : g.last_seen ? (
                  tx('cause.offline.since', { at: <Time at={g.last_seen} /> })
                ) : (
                  t('cause.offline')
                )}
                {!error && g.lag > 0 && <span className="quiet"> · {t('cause.lag', { n: g.lag })}</span>}
              </span>
            </li>
          )
        })}
        {causes.map(c => (
          <li key={`cause ${c.fingerprint}`} className={c.same_last_5m > 0 ? 'amber' : 'good'}>
            <Icon name={c.same_last_5m > 0 ? 'alert' : 'check'} size={14} />
            <span>
              <Reason reason={c.reason} className="strong" /> <span className="quiet num">×{count(c.letters)}</span>{' '}
              {c.same_last_5m > 0 ? t('preview.same', { n: c.same_last_5m }) : t('preview.same.none')}
              {c.reason_text && (
                <span className="op-cause-text quiet small" title={plain(c.reason_text, 1000)}>
                  <Foreign text={c.reason_text.slice(0, 200)} />
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

const first = 5

function Split({ name, facets, family }: { name: string; facets: Facet[] | null; family?: string }) {
  const [all, setAll] = useState(false)
  const list = facets ?? []
  if (list.length === 0) return null
  const max = Math.max(1, ...list.map(f => f.count))
  return (
    <div>
      <h4>{name}</h4>
      <ul className="op-bars">
        {(all ? list : list.slice(0, first)).map(f => (
          <li key={f.value}>
            <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
              <rect width={(100 * f.count) / max} height="1" />
            </svg>
            <span className="grow" title={plain(f.value)}>
              {(family && codeWords(family, f.value)) ?? (f.value ? <Foreign text={f.value} /> : t('facet.none'))}
            </span>
            <span className="num">{count(f.count)}</span>
          </li>
        ))}
      </ul>
      {list.length > first && (
        <button type="button" className="link small" aria-expanded={all} onClick={() => setAll(a => !a)}>
          {all ? t('less') : t('more.n', { n: list.length - first })}
        </button>
      )}
    </div>
  )
}

/** The words of a kind, for buttons and titles. */
export const doWords = (kind: Kind, n: number): string => t(`bulk.${kind}.do`, { n, count: count(n) })
