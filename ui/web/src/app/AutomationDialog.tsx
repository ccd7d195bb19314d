import { type FormEvent, useState } from 'react'
import { asProblem, type Problem, write } from '../api/client'
import { client } from '../api/queries'
import type { Automation, Status } from '../api/types'
import { t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'

export type Change = 'on' | 'off' | 'stop' | 'go'

/** Asks why automation is switched or everything stopped, and says what that does. */
export default function AutomationDialog({
  a,
  change,
  onClose,
}: {
  a: Automation
  change: Change
  onClose: () => void
}) {
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
          <NoteField value={note} onChange={setNote} />
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
