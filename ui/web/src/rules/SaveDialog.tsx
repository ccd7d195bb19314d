import { type FormEvent, useState } from 'react'
import { asProblem, type Problem, write } from '../api/client'
import { count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import type { RulesInForce, RuleVersion } from './types'
import type { Figures } from './useRulesText'

/** What to save: a text, or an older version whose text is to hold again. */
export type Saving = { text: string } | { version: RuleVersion }

/** Asks why, and saves. Whoever was second is told by onConflict and loses nothing. */
export function SaveDialog({
  what,
  etag,
  figures,
  onSaved,
  onConflict,
  onClose,
}: {
  what: Saving
  etag: string
  figures: Figures | undefined
  onSaved: (r: RulesInForce) => void
  onConflict: (p: Problem) => void
  onClose: () => void
}) {
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const back = 'version' in what
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setProblem(undefined)
    const body = { note: note.trim(), ...(back ? { version: what.version.version } : { text: what.text }) }
    try {
      onSaved(await write<RulesInForce>('PUT', '/rules', body, undefined, { 'If-Match': `"${etag}"` }))
    } catch (err) {
      const p = asProblem(err)
      if (p.code === 'conflict' && p.body.rules && !back) onConflict(p)
      else setProblem(p)
      setBusy(false)
    }
  }
  return (
    <Dialog title={back ? t('rules.back.title', { n: what.version.version }) : t('rules.save.title')} onClose={onClose}>
      <form onSubmit={submit}>
        <div className="dialog-body">
          <p>{back ? t('rules.back.text') : t('rules.save.text')}</p>
          {!back && figures && (
            <p className="strong">
              {figures.changed > 0
                ? t('backtest.changed', { n: figures.changed, of: count(figures.done) })
                : t('backtest.none', { of: count(figures.done) })}
            </p>
          )}
          <NoteField value={note} onChange={setNote} placeholder={t('rules.save.why')} />
          {problem && <ProblemBox error={problem} />}
        </div>
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button type="submit" className="button primary" disabled={busy || !note.trim()}>
            {t(back ? 'rules.back.do' : 'rules.save.do')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
