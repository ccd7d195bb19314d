import { apiDuration, moment, parseDuration } from '../i18n/format'
import { code, codeWords, t } from '../i18n/i18n'
import { Icon, type IconName } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/timeline.css'
import { useLog } from './api'
import type { Operation, OperationEvent } from './types'
import { rateWords } from './words'

const icons: Record<string, IconName> = {
  created: 'letters',
  changed: 'note',
  refreshed: 'loop',
  started: 'replay',
  began: 'replay',
  canary_passed: 'check',
  paused: 'pause',
  resumed: 'play',
  paced: 'scale',
  gave_up: 'stop',
  cancelled: 'stop',
  completed: 'check',
  failed: 'alert',
  settled: 'check',
}
const bad = new Set(['failed'])
const good = new Set(['canary_passed', 'completed', 'settled'])

// Said beside the event's name, or by the failure's reason.
const elsewhere = new Set(['cause', 'fingerprint'])

/** What happened to an operation and who did it, newest first. */
export function Log({ o }: { o: Operation }) {
  const query = useLog(o)
  if (query.error && !query.data) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!query.data) return <Wait lines={5} />
  return (
    <div className="timeline">
      <ol>
        {query.data.map(e => (
          <Entry key={e.id} e={e} />
        ))}
      </ol>
    </div>
  )
}

function Entry({ e }: { e: OperationEvent }) {
  const cause = e.detail?.cause
  const kind = bad.has(e.kind) ? 'bad' : good.has(e.kind) ? 'good' : ''
  const details = Object.entries(e.detail ?? {}).filter(
    ([k, v]) =>
      v !== '' &&
      !elsewhere.has(k) &&
      !(k === 'from' && e.kind === 'resumed') &&
      !(v === '0' && (k === 'gone' || k === 'arrived')),
  )
  return (
    <li className={kind}>
      <span className="mark">
        <Icon name={icons[e.kind] ?? 'info'} size={12} />
      </span>
      <div className="grow">
        <p>
          <strong>{code('operation.event', e.kind)}</strong>
          {cause && (
            <>
              {t('colon')}
              {code('operation.cause.short', cause)}
            </>
          )}{' '}
          <span className="quiet">
            <Foreign text={code('actor', e.actor)} />
          </span>
        </p>
        {e.note && (
          <p className="entry-note">
            <Foreign text={e.note} />
          </p>
        )}
        {details.length > 0 && (
          <p className="small quiet entry-details">
            {details.map(([k, v]) => (
              <span key={k}>
                {code('operation.detail', k)} <Foreign text={valueWords(e.kind, k, v)} />
              </span>
            ))}
          </p>
        )}
      </div>
      <span className="entry-at quiet small num">
        <Time at={e.at} form="moment" />
        <br />
        <Time at={e.at} form="clock" />
      </span>
    </li>
  )
}

function valueWords(kind: string, name: string, v: string): string {
  if (name === 'reason') return codeWords('reason', v) ?? plain(v, 120)
  if (name === 'rate' || (name === 'from' && kind === 'paced')) return rateWords(Number(v))
  if (name === 'from') return code('operation.state', v)
  if (name === 'waits_for') return code('operation.waits.short', v)
  if (name.endsWith('_at')) return moment(new Date(v))
  return Number.isNaN(parseDuration(v)) ? plain(v, 300) : apiDuration(v)
}
