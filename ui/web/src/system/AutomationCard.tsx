import { type FormEvent, useState } from 'react'
import { asProblem, type Problem, write } from '../api/client'
import { client, useRights } from '../api/queries'
import type { Automation, Status } from '../api/types'
import { code, t, tx } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'

type Change = 'on' | 'off' | 'stop' | 'go'

/** The switch that lets the console act by itself, and the stop that halts everything at once. */
export function AutomationCard({ a }: { a: Automation }) {
  const rights = useRights()
  const [change, setChange] = useState<Change>()
  const why = rights.admin ? undefined : t('why.admin')
  const state = a.stopped ? 'stopped' : a.on ? 'on' : 'off'
  return (
    <section className="card" aria-label={t('automation')}>
      <h2>{t('automation')}</h2>
      <p className="automation-state">
        <span className={`chip ${state === 'on' ? 'green' : state === 'off' ? 'grey' : 'red'}`}>
          {t(`automation.${state}`)}
        </span>{' '}
        {t(`automation.${state}.text`)}
      </p>
      {a.since && a.on && (
        <p className="quiet small">{tx('automation.since', { at: <Time at={a.since} form="moment" /> })}</p>
      )}
      {a.changed_at && (
        <p className="quiet small">
          {tx('automation.changed', {
            at: <Time at={a.changed_at} form="moment" />,
            who: <Foreign text={code('actor', a.actor ?? '')} />,
          })}
          {a.note && (
            <>
              {' '}
              “<Foreign text={a.note} />”
            </>
          )}
        </p>
      )}
      <div className="actions">
        <button
          type="button"
          role="switch"
          aria-checked={a.on}
          className="button"
          disabled={!rights.admin}
          title={why}
          onClick={() => setChange(a.on ? 'off' : 'on')}
        >
          <span className={a.on ? 'toggle on' : 'toggle'} aria-hidden="true" /> {t('automation.switch')}
        </button>
        <button
          type="button"
          className={a.stopped ? 'button' : 'button danger'}
          disabled={!rights.admin}
          title={why}
          onClick={() => setChange(a.stopped ? 'go' : 'stop')}
        >
          <Icon name={a.stopped ? 'replay' : 'stop'} /> {t(a.stopped ? 'automation.go' : 'automation.stop')}
        </button>
      </div>
      {why && <p className="quiet small">{why}</p>}
      {change && <Confirm a={a} change={change} onClose={() => setChange(undefined)} />}
    </section>
  )
}

function Confirm({ a, change, onClose }: { a: Automation; change: Change; onClose: () => void }) {
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      const after = await write<Automation>('PUT', '/automation', {
        on: change === 'on' ? true : change === 'off' ? false : a.on,
        stopped: change === 'stop' ? true : change === 'go' ? false : a.stopped,
        note: note.trim(),
        version: a.version,
      })
      client.setQueryData<Status>(['status'], s => s && { ...s, automation: after })
      onClose()
    } catch (err) {
      const p = asProblem(err)
      if (p.code === 'conflict') client.invalidateQueries({ queryKey: ['status'] })
      setProblem(p)
      setBusy(false)
    }
  }
  return (
    <Dialog title={t(`automation.${change}.title`)} onClose={onClose}>
      <form onSubmit={submit}>
        <div className="dialog-body">
          <p>{t(`automation.${change}.what`)}</p>
          <label>
            {t('note.required')}
            <textarea rows={3} required maxLength={4000} value={note} onChange={e => setNote(e.target.value)} />
          </label>
          {problem && <ProblemBox error={problem} />}
        </div>
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button
            type="submit"
            className={`button ${change === 'stop' ? 'danger' : 'primary'}`}
            disabled={busy || !note.trim()}
          >
            {t(`automation.${change}.do`)}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
