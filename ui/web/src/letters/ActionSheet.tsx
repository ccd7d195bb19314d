import { type FormEvent, useState } from 'react'
import { asProblem, type Problem, randomID, write } from '../api/client'
import { landed } from '../api/queries'
import { type ActionResult, type Letter, type ProblemBody, titleOf } from '../api/types'
import { count } from '../i18n/format'
import { code, t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import { problemWords } from '../parts/problemWords'
import { Original } from '../parts/Said'
import { Foreign } from '../parts/Text'
import type { BulkAction } from './BulkBar'

// The API takes at most 500 at once; smaller parts show progress. A part that is asked for again is done once.
const atOnce = 200

interface Props {
  action: BulkAction
  letters: readonly Letter[]
  onClose: (failed?: ReadonlyMap<string, Letter>) => void
}

/** What is done to each marked letter at once; afterwards, what came of it. */
export default function ActionSheet({ action, letters, onClose }: Props) {
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const [done, setDone] = useState(0)
  const [results, setResults] = useState<ActionResult[]>()
  const [key] = useState(randomID)
  const needsNote = action !== 'take'
  const go = action === 'unquarantine' ? letters.filter(l => l.flags?.includes('quarantined')) : letters
  const skipped = letters.length - go.length

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      const all: ActionResult[] = []
      for (let from = 0; from < go.length; from += atOnce) {
        const { results } = await write<{ results: ActionResult[] }>(
          'POST',
          '/letters/actions',
          { action, ids: go.slice(from, from + atOnce).map(l => l.id), ...(note.trim() && { note: note.trim() }) },
          `${key}-${from}`,
        )
        for (const r of results) if (r.letter) landed(r.letter)
        all.push(...results)
        setDone(all.length)
      }
      setResults(all)
    } catch (err) {
      setProblem(asProblem(err))
    }
    setBusy(false)
  }

  const close = () => {
    if (!results) return onClose()
    const bad = new Set(results.filter(r => !r.ok).map(r => r.id))
    onClose(new Map(letters.filter(l => bad.has(l.id)).map(l => [l.id, l])))
  }
  const title = t(`bulk.${action}.title`, { n: go.length })
  if (results)
    return (
      <Dialog title={title} kind="sheet" onClose={close}>
        <Results results={results} letters={letters} />
        <footer>
          <button type="button" className="button primary" onClick={close}>
            {t('close')}
          </button>
        </footer>
      </Dialog>
    )
  return (
    <Dialog title={title} onClose={close}>
      <form onSubmit={submit}>
        <div className="dialog-body">
          <p>{t(`bulk.${action}.text`)}</p>
          {skipped > 0 && (
            <p className="note-amber">
              <Icon name="info" size={14} /> {t('bulk.not.quarantined', { n: skipped })}
            </p>
          )}
          <NoteField
            value={note}
            onChange={setNote}
            required={needsNote}
            placeholder={action === 'take' ? t('note.why.take') : t(`bulk.${action}.why`)}
          />
          {problem && <ProblemBox error={problem} />}
        </div>
        <footer>
          <button type="button" className="button" onClick={close}>
            {t('cancel')}
          </button>
          <button
            type="submit"
            className="button primary"
            disabled={busy || go.length === 0 || (needsNote && !note.trim())}
          >
            {busy ? `${t('working')} ${done > 0 ? count(done) : ''}` : t(`bulk.${action}.do`, { n: go.length })}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

function Failure({ error, letter }: { error: ProblemBody; letter: Letter | undefined }) {
  const about = letter && { group: plain(letter.consumer_group), topic: plain(letter.topic) }
  const { title, detail, hint, original } = problemWords(error, about)
  return (
    <>
      {plain(title)}
      {detail && (
        <>
          {t('colon')}
          {plain(detail)}
        </>
      )}
      {hint && <small> {plain(hint)}</small>} {original && <Original text={original} />}
    </>
  )
}

/** One line for each letter: what became of it, and where it failed, why and what to do. */
function Results({ results, letters }: { results: readonly ActionResult[]; letters: readonly Letter[] }) {
  const byID = new Map(letters.map(l => [l.id, l]))
  const good = results.filter(r => r.ok).length
  const sorted = [...results].sort((a, b) => Number(a.ok) - Number(b.ok))
  return (
    <div className="dialog-body">
      <p role="status">
        <strong>{t('sheet.good', { n: good })}</strong>
        {good < results.length && <> {t('sheet.bad', { n: results.length - good })}</>}
      </p>
      <ul className="results">
        {sorted.map(r => {
          const l = byID.get(r.id)
          return (
            <li key={r.id} className={r.ok ? 'ok' : 'failed'}>
              <Icon name={r.ok ? 'check' : 'alert'} size={14} />
              <span className="mono">
                <Foreign text={middle(l ? titleOf(l) : r.id, 32)} />
              </span>
              <span className="grow">
                {r.ok ? (
                  <span className="quiet">{r.letter ? code('state', r.letter.state) : ''}</span>
                ) : (
                  <Failure error={r.error ?? { code: 'internal' }} letter={l} />
                )}
              </span>
            </li>
          )
        })}
      </ul>
    </div>
  )
}
