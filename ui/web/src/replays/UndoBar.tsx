import { type ReactNode, Suspense, useEffect, useState } from 'react'
import { Link } from 'wouter'
import { useUnanswered, writes } from '../api/client'
import { client } from '../api/queries'
import type { Unanswered } from '../api/writes'
import { apiDuration } from '../i18n/format'
import { type Key, t, tx, withWords } from '../i18n/i18n'
import { useHeld } from '../operations/held'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import '../style/undo.css'
import { part } from '../app/part'
import { type Pending, undo, undoFor, usePending } from './undo'

const HeldToasts = part(() => withWords(['operations', 'codes'], import('../operations/HeldToasts')))

/** The replays that can still be undone, and what became of those that could not. */
export default function UndoBar() {
  const all = usePending()
  const held = useHeld()
  const lost = useUnanswered().filter(u => !all.some(p => p.key === u.write.key))
  return (
    <section className="undo-bar" aria-label={t('undo.region')} aria-live="polite">
      {all.map(p => (
        <Toast key={p.key} p={p} />
      ))}
      {lost.map(u => (
        <LostToast key={u.write.key} u={u} />
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
          {/* After a lost answer the first try may have done it: then the letter says so, not this. */}
          {!p.problem?.body.after_lost && <p>{tx('undo.failed', { title })}</p>}
        </ProblemBox>
        <Close onClick={() => undo.dismiss(p.key)} />
      </div>
    )
  if (p.state === 'unknown')
    return (
      <div className="toast">
        <Icon name="alert" className="amber" />
        <span className="grow">{tx('undo.unknown', { title })}</span>
        <button type="button" className="button small" onClick={() => undo.again(p.key)}>
          {t('asking.again')}
        </button>
        <Close onClick={() => undo.dismiss(p.key)} />
      </div>
    )
  if (p.state === 'done')
    return (
      <div className="toast">
        <Icon name="check" className="good" />
        <span className="grow">{tx('undo.done', { title, group })}</span>
        <Close onClick={() => undo.dismiss(p.key)} />
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
        <Sending p={p} />
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

/** It is on its way to the console, or its answer was lost and is asked for. */
function Sending({ p }: { p: Pending }) {
  const asking = useUnanswered().some(u => u.write.key === p.key && u.state === 'asking')
  if (!asking) return <span className="quiet">{t('undo.sending')}</span>
  return (
    <>
      <span className="amber">{t('asking')}</span>
      <button type="button" className="button small quiet" onClick={() => writes.stop(p.key)}>
        {t('asking.stop')}
      </button>
    </>
  )
}

// How long it is shown that an answer came at last.
const shown = 8000

/** A write whose answer was lost: that it is asked for, and what became of it when nobody else says so. */
function LostToast({ u }: { u: Unanswered }) {
  const { key } = u.write
  useEffect(() => {
    if (u.state !== 'done') return
    // Whatever it changed is read anew.
    client.invalidateQueries()
    const timer = setTimeout(() => writes.dismiss(key), shown)
    return () => clearTimeout(timer)
  }, [u.state, key])
  const what = subject(u.write.path)
  if (u.state === 'failed')
    return (
      <div className="toast failed">
        <ProblemBox error={u.problem}>
          <p>{what}</p>
        </ProblemBox>
        <Close onClick={() => writes.dismiss(key)} />
      </div>
    )
  if (u.state === 'asking')
    return (
      <div className="toast">
        <Icon name="clock" className="amber" />
        <span className="grow">
          {what}
          {t('colon')}
          {t('asking')}
        </span>
        <button type="button" className="button small quiet" onClick={() => writes.stop(key)}>
          {t('asking.stop')}
        </button>
      </div>
    )
  return (
    <div className="toast">
      <Icon {...(u.state === 'done' ? { name: 'check', className: 'good' } : { name: 'alert', className: 'amber' })} />
      <span className="grow">
        {what}
        {t('colon')}
        {t(u.state === 'done' ? 'asking.done' : 'asking.unknown')}
      </span>
      {u.state === 'unknown' && (
        <button type="button" className="button small" onClick={() => writes.again(key)}>
          {t('asking.again')}
        </button>
      )}
      <Close onClick={() => writes.dismiss(key)} />
    </div>
  )
}

/** What a write was done to, as the views are named. */
function subject(path: string): ReactNode {
  const [, area = '', id = ''] = path.split('/')
  if (area === 'letters' && /^\d+$/.test(id)) return <Link href={`/letters/${id}`}>{t('asking.letter', { id })}</Link>
  if (area === 'operations' && /^\d+$/.test(id))
    return <Link href={`/operations/${id}`}>{t('asking.operation', { id })}</Link>
  const views: Record<string, Key> = {
    letters: 'nav.letters',
    operations: 'nav.operations',
    rules: 'nav.rules',
    topics: 'nav.groups',
    automation: 'nav.system',
  }
  return t(views[area] ?? 'nav.alerts')
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

function Close({ onClick }: { onClick: () => void }) {
  return (
    <button type="button" className="icon-button" aria-label={t('close')} title={t('close')} onClick={onClick}>
      <Icon name="close" />
    </button>
  )
}
