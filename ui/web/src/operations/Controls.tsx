import { type FormEvent, useState } from 'react'
import { asProblem, type Problem } from '../api/client'
import { client, useRights, useStatus } from '../api/queries'
import { count } from '../i18n/format'
import { formatNumber, t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import { setPace, skipWaiting, turn } from './api'
import { faster, slower } from './spec'
import { acts, inState, type Operation, type Pace } from './types'
import { causeWords, rateWords } from './words'

/** Pause, go on, slower, faster, call off. */
export function Controls({ o }: { o: Operation }) {
  const rights = useRights()
  const stopped = useStatus().data?.automation.stopped ?? false
  const [ask, setAsk] = useState<'cancel' | 'resume'>()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  if (!acts(o.state)) return null

  const role = rights.act ? undefined : t('why.role')
  const run = async (f: () => Promise<unknown>) => {
    setBusy(true)
    setProblem(undefined)
    try {
      await f()
      setAsk(undefined)
    } catch (e) {
      const p = asProblem(e)
      setProblem(p)
      // Somebody was faster: what they did is shown at once.
      if (p.code === 'conflict') client.invalidateQueries({ queryKey: ['operation'] })
    }
    setBusy(false)
  }
  const pace = o.spec.pace
  const groups = Math.max(1, o.preview?.consumer_groups?.length ?? 1)
  const down = slower(pace.rate, o.rate / groups)
  const up = faster(pace.rate)
  const go = (p: Pace) => run(() => setPace(o, p))
  const moving = o.state !== 'queued' && o.kind === 'replay'
  const grave = o.cause === 'breaker' || o.cause === 'canary'
  const whyResume = role ?? (stopped ? t('operation.why.stopped') : undefined)
  return (
    <div className="op-controls">
      <div className="op-buttons" role="toolbar" aria-label={t('operation.controls')}>
        {o.state === 'paused' && o.cause !== 'window' ? (
          <button
            type="button"
            className="button primary"
            disabled={busy || !!whyResume}
            title={whyResume}
            onClick={() => (grave ? setAsk('resume') : run(() => turn(o, 'resume')))}
          >
            <Icon name="play" size={14} /> {t(grave ? 'operation.resume.ask' : 'operation.resume')}
          </button>
        ) : o.state === 'queued' ? null : (
          <>
            {o.state === 'canary' && (
              <button
                type="button"
                className="button"
                disabled={busy || !!role}
                title={role ?? t('operation.skip_canary.text')}
                onClick={() => run(() => turn(o, 'resume'))}
              >
                {t('operation.skip_canary')}
              </button>
            )}
            <button
              type="button"
              className="button"
              disabled={busy || !!role}
              title={role ?? (o.state === 'paused' ? t('operation.pause.window') : undefined)}
              onClick={() => run(() => turn(o, 'pause'))}
            >
              <Icon name="pause" size={14} /> {t('operation.pause')}
            </button>
          </>
        )}
        {moving && (
          <span className="op-pace">
            <button
              type="button"
              className="button icon"
              disabled={busy || !!role || down === undefined}
              aria-label={
                down === undefined ? t('operation.slower') : t('operation.slower.to', { rate: rateWords(down) })
              }
              title={
                role ??
                (down === undefined ? t('operation.slowest') : t('operation.slower.to', { rate: rateWords(down) }))
              }
              onClick={() => down !== undefined && go({ ...pace, rate: down })}
            >
              −
            </button>
            <span className="num" aria-live="polite">
              {pace.rate > 0 ? t('how.rate', { n: formatNumber(pace.rate) }) : rateWords(0)}
            </span>
            <button
              type="button"
              className="button icon"
              disabled={busy || !!role || up === undefined}
              aria-label={up === undefined ? t('operation.faster') : t('operation.faster.to', { rate: rateWords(up) })}
              title={
                role ?? (up === undefined ? t('operation.fastest') : t('operation.faster.to', { rate: rateWords(up) }))
              }
              onClick={() => up !== undefined && go({ ...pace, rate: up })}
            >
              +
            </button>
          </span>
        )}
        {o.waits_for === 'broker_away' && (
          <button
            type="button"
            className="button"
            disabled={busy || !!role}
            title={role ?? t('operation.waits.skip.text')}
            onClick={() => run(() => skipWaiting(o))}
          >
            {t('operation.waits.skip')}
          </button>
        )}
        <button
          type="button"
          className="button"
          disabled={busy || !!role}
          title={role}
          onClick={() => (o.state === 'queued' ? run(() => turn(o, 'cancel')) : setAsk('cancel'))}
        >
          <Icon name="stop" size={14} /> {t(o.state === 'queued' ? 'undo' : 'operation.cancel')}
        </button>
      </div>
      {problem && !ask && <ProblemBox error={problem} />}
      {ask && (
        <Ask
          o={o}
          act={ask}
          busy={busy}
          problem={problem}
          onDo={note => run(() => turn(o, ask, note))}
          onClose={() => {
            setAsk(undefined)
            setProblem(undefined)
          }}
        />
      )}
    </div>
  )
}

/** Says what calling off does not do, or what stands against going on. */
function Ask({
  o,
  act,
  busy,
  problem,
  onDo,
  onClose,
}: {
  o: Operation
  act: 'cancel' | 'resume'
  busy: boolean
  problem: Problem | undefined
  onDo: (note: string) => void
  onClose: () => void
}) {
  const [note, setNote] = useState('')
  const sent = o.letters - inState(o, 'pending', 'skipped')
  const left = inState(o, 'pending')
  const submit = (e: FormEvent) => {
    e.preventDefault()
    onDo(note.trim())
  }
  return (
    <Dialog title={t(`operation.${act}.title`, { number: o.number })} onClose={onClose}>
      <form onSubmit={submit}>
        <div className="dialog-body">
          {act === 'cancel' ? (
            <>
              <p>
                <strong>{t('operation.cancel.left', { n: left, count: count(left) })}</strong>
              </p>
              <p>
                {t(o.kind === 'replay' ? 'operation.cancel.sent' : 'operation.cancel.done', {
                  n: sent,
                  count: count(sent),
                })}
              </p>
            </>
          ) : (
            <>
              <p>{causeWords(o)}</p>
              <p className="quiet">{t('operation.resume.text')}</p>
            </>
          )}
          <NoteField value={note} onChange={setNote} required={false} />
          {problem && <ProblemBox error={problem} />}
        </div>
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {t(act === 'cancel' ? 'operation.cancel.not' : 'cancel')}
          </button>
          <button type="submit" className={`button ${act === 'cancel' ? 'danger' : 'primary'}`} disabled={busy}>
            {t(`operation.${act}.do`)}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
