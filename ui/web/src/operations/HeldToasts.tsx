import { useEffect, useState } from 'react'
import { Link } from 'wouter'
import { asProblem, type Problem } from '../api/client'
import { count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { ProblemBox } from '../parts/Problem'
import { useNow } from '../parts/Time'
import { turn, useOperation } from './api'
import { release, useHeld } from './held'
import { barOrder } from './spec'
import { acts, inState, type Operation } from './types'
import { itemWord } from './words'

/** The small operations that were started here: undo until they begin, then what becomes of them. */
export default function HeldToasts() {
  return useHeld().map(n => <Held key={n} n={n} />)
}

// How long a finished one is shown.
const shown = 8000

function Held({ n }: { n: number }) {
  const query = useOperation(String(n))
  const o = query.data
  const [problem, setProblem] = useState<Problem>()
  const [undone, setUndone] = useState(false)
  const over = undone || (o !== undefined && !acts(o.state))
  useEffect(() => {
    if (!over) return
    const timer = setTimeout(() => release(n), shown)
    return () => clearTimeout(timer)
  }, [over, n])
  if (!o)
    return query.error ? (
      <div className="toast failed">
        <ProblemBox error={query.error} />
        <Close n={n} />
      </div>
    ) : null
  const title = (
    <Link href={`/operations/${o.number}`}>{t(`held.${o.kind}`, { n: o.letters, count: count(o.letters) })}</Link>
  )
  if (undone || (o.end === 'cancelled' && !o.started_at))
    return (
      <div className="toast">
        <Icon name="check" className="good" />
        <span className="grow">
          {title} <span className="quiet">{t('held.undone')}</span>
        </span>
        <Close n={n} />
      </div>
    )
  if (o.state === 'queued')
    return (
      <div className={problem ? 'toast failed' : 'toast waiting'}>
        <span className="grow">{problem ? <ProblemBox error={problem} /> : title}</span>
        <Left o={o} />
        <button
          type="button"
          className="button small"
          onClick={() =>
            turn(o, 'cancel').then(
              () => setUndone(true),
              e => setProblem(asProblem(e)),
            )
          }
        >
          {t('undo')}
        </button>
        <Drain o={o} />
      </div>
    )
  const bad = inState(o, 'failed_again', 'send_failed', 'unknown') > 0
  return (
    <div className="toast">
      {o.state === 'paused' ? (
        <Icon name="pause" className="amber" />
      ) : bad ? (
        <Icon name="alert" className="amber" />
      ) : (
        o.state === 'settled' && <Icon name="check" className="good" />
      )}
      <span className="grow">
        {title} <span className="quiet num">{becameOf(o)}</span>
      </span>
      <Close n={n} />
    </div>
  )
}

/** What became of its letters, in a few words. */
const becameOf = (o: Operation): string =>
  barOrder
    .filter(s => (o.counts[s] ?? 0) > 0)
    .map(s => `${count(o.counts[s] ?? 0)} ${itemWord(s)}`)
    .join(' · ')

/** The seconds that are left; not read out each second. */
function Left({ o }: { o: Operation }) {
  const now = useNow()
  const left = o.hold_until ? Math.max(0, Math.ceil((Date.parse(o.hold_until) - now) / 1000)) : 0
  return (
    <span className="quiet num" aria-hidden="true">
      {t('dur.s', { n: left })}
    </span>
  )
}

function Drain({ o }: { o: Operation }) {
  // The bar drains from where it stands when it is first shown.
  const [left] = useState(() => (o.hold_until ? Math.max(0, Date.parse(o.hold_until) - Date.now()) : 0))
  return <span className="drain" style={{ animationDuration: `${left}ms` }} />
}

function Close({ n }: { n: number }) {
  return (
    <button type="button" className="icon-button" aria-label={t('close')} title={t('close')} onClick={() => release(n)}>
      <Icon name="close" />
    </button>
  )
}
