import { useState } from 'react'
import type { Detail } from '../api/types'
import { bytes } from '../i18n/format'
import { codeWords, t } from '../i18n/i18n'
import { Copy } from '../parts/Copy'
import { plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import '../style/properties.css'
import { split } from './properties'
import { unitOf } from './rawtime'

/** The user's properties first, the broker's folded; then what the message says of itself. */
export function Properties({ letter: l }: { letter: Detail }) {
  const { user, broker } = split(l.properties ?? {})
  return (
    <div className="properties">
      <section>
        <h2>{t('props.user')}</h2>
        {user.length === 0 ? (
          <p className="quiet">{t('props.none')}</p>
        ) : (
          <Table rows={user} escaped={l.escaped_properties} marked={l.reason_field?.replace(/^property\."?|"$/g, '')} />
        )}
      </section>
      <details>
        <summary>
          {t('props.broker')} <span className="quiet num">{broker.length}</span>
        </summary>
        <Table rows={broker} escaped={l.escaped_properties} />
      </details>
      <details open>
        <summary>{t('props.message')}</summary>
        <dl className="pairs">
          <Pair name={t('letter.message_id')} value={l.message_id} />
          <Pair name={t('props.origin_id')} value={l.origin_message_id} />
          <Pair name="UNIQ_KEY" value={l.unique_key} />
          <Pair name={t('props.dlq_topic')} value={l.dlq_topic} />
          <Pair name={t('props.cluster')} value={l.cluster} />
          <Pair name={t('props.store_host')} value={l.store_host} />
          <Pair name={t('props.born_host')} value={l.born_host} />
          <dt>{t('props.born_at')}</dt>
          <dd>{l.born_raw ? <RawTime raw={l.born_raw} /> : <Time at={l.born_at} form="moment" />}</dd>
          <dt>{t('props.died_at')}</dt>
          <dd>{l.died_raw ? <RawTime raw={l.died_raw} /> : <Time at={l.died_at} form="moment" />}</dd>
          <dt>{t('props.arrived_at')}</dt>
          <dd>
            <Time at={l.arrived_at} form="moment" />
          </dd>
          <dt>{t('props.attempts')}</dt>
          <dd className="num">{l.attempts}</dd>
          {l.retry_count !== undefined && (
            <>
              <dt>{t('props.retry_count')}</dt>
              <dd className="num">{l.retry_count}</dd>
            </>
          )}
          <dt>{t('props.size')}</dt>
          <dd className="num">{bytes(l.size)}</dd>
          <dt>{t('props.sys_flag')}</dt>
          <dd className="num">{l.sys_flag}</dd>
        </dl>
      </details>
    </div>
  )
}

function Pair({ name, value }: { name: string; value: string | undefined }) {
  if (!value) return null
  return (
    <>
      <dt>{name}</dt>
      <dd className="mono">
        <Foreign text={value.slice(0, 400)} /> <Copy value={value} />
      </dd>
    </>
  )
}

interface TableProps {
  rows: readonly [string, string][]
  escaped?: readonly string[] | undefined
  marked?: string | undefined
}

function Table({ rows, escaped, marked }: TableProps) {
  return (
    <table className="props-table">
      <thead className="off-screen">
        <tr>
          <th scope="col">{t('props.name')}</th>
          <th scope="col">{t('props.value')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, value]) => {
          const meaning = codeWords('prop', name)
          return (
            <tr key={name} className={name === marked ? 'marked' : undefined}>
              <th scope="row" title={meaning ?? t('props.unknown')}>
                <span className={meaning ? 'explained' : undefined}>
                  <Foreign text={name.slice(0, 200)} />
                </span>
                {name === marked && <span className="chip blue">{t('body.reason')}</span>}
              </th>
              <td>
                <Value value={value} />
                {escaped?.includes(name) && <div className="quiet">{t('props.escaped')}</div>}
              </td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}

const some = 500

function Value({ value }: { value: string }) {
  const [all, setAll] = useState(false)
  const cut = !all && value.length > some
  return (
    <>
      <span className="mono" title={cut ? undefined : plain(value)}>
        <Foreign text={cut ? `${value.slice(0, some)}…` : value} />
      </span>
      {cut && (
        <button type="button" className="link small" onClick={() => setAll(true)}>
          {t('body.whole', { size: bytes(value.length) })}
        </button>
      )}
      <Copy value={value} />
    </>
  )
}

/** A number that a message has for a time and that is none in milliseconds: as it is, and what its producer may have meant. */
function RawTime({ raw }: { raw: string }) {
  const guess = unitOf(raw)
  return (
    <>
      <span className="num">{raw}</span>
      <div className="quiet">{t('props.raw_time')}</div>
      {guess && (
        <div className="quiet">
          {t(guess.unit === 'us' ? 'props.raw_micro' : 'props.raw_nano')} <Time at={guess.at} form="moment" />
        </div>
      )}
    </>
  )
}
