import { lazy, Suspense, useEffect, useState } from 'react'
import { Link } from 'wouter'
import { apiDuration } from '../i18n/format'
import { loadMore, t, tx } from '../i18n/i18n'
import { useHeld } from '../operations/held'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import '../style/undo.css'
import { type Pending, undo, undoFor, usePending } from './undo'

const HeldToasts = lazy(() => loadMore(import('../operations/HeldToasts')))

/** The replays that can still be undone, and what became of those that could not. */
export default function UndoBar() {
  const all = usePending()
  const held = useHeld()
  return (
    <section className="undo-bar" aria-label={t('undo.region')} aria-live="polite">
      {all.map(p => (
        <Toast key={p.key} p={p} />
      ))}
      {held.length > 0 && (
        <Suspense fallback={null}>
          <HeldToasts />
        </Suspense>
      )}
    </section>
  )
}

function Toast({ p }: { p: Pending }) {
  const title = (
    <Link href={`/letters/${p.letterID}`} className="mono">
      <Foreign text={middle(p.title, 28)} />
    </Link>
  )
  const group = <Foreign text={p.group} />
  if (p.state === 'failed')
    return (
      <div className="toast failed">
        <ProblemBox error={p.problem} about={{ group: plain(p.group) }}>
          <p>{tx('undo.failed', { title })}</p>
        </ProblemBox>
        <CloseToast p={p} />
      </div>
    )
  if (p.state === 'done')
    return (
      <div className="toast">
        <Icon name="check" className="good" />
        <span className="grow">{tx('undo.done', { title, group })}</span>
        <CloseToast p={p} />
      </div>
    )
  return (
    <div className="toast waiting">
      <span className="grow">
        {p.delay && p.delay !== '0s'
          ? tx('undo.waiting.delay', { title, group, delay: apiDuration(p.delay) })
          : tx('undo.waiting', { title, group })}
      </span>
      {p.state === 'sending' ? (
        <span className="quiet">{t('undo.sending')}</span>
      ) : (
        <>
          <Left at={p.at} />
          <button type="button" className="button small" onClick={() => undo.cancel(p.key)}>
            {t('undo')}
          </button>
          <button type="button" className="button small quiet" onClick={() => undo.fire(p.key)}>
            {t('undo.now')}
          </button>
          <span className="drain" style={{ animationDuration: `${undoFor}ms` }} />
        </>
      )}
    </div>
  )
}

/** The seconds that are left; not read out each second. */
function Left({ at }: { at: number }) {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [])
  return (
    <span className="quiet num" aria-hidden="true">
      {t('dur.s', { n: Math.max(0, Math.ceil((at - now) / 1000)) })}
    </span>
  )
}

function CloseToast({ p }: { p: Pending }) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={t('close')}
      title={t('close')}
      onClick={() => undo.dismiss(p.key)}
    >
      <Icon name="close" />
    </button>
  )
}
