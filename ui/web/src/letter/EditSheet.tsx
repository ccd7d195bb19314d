import { useCallback, useDeferredValue, useEffect, useMemo, useState } from 'react'
import { asProblem, get, type Problem, write } from '../api/client'
import { client, landed, useRights } from '../api/queries'
import { type Detail, type Letter, titleOf } from '../api/types'
import { bytes as size } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import { Wait } from '../parts/Wait'
import type { Edit, Editable } from './types'
import '../style/edit.css'
import { BodyPart } from './BodyPart'
import { Charset } from './Charset'
import { BodyChange, PropertyTable } from './Compare'
import { keepDraft, keptDraft } from './drafts'
import {
  bodyLocked,
  bodyMax,
  type Changes,
  changesOf,
  type Draft,
  draftOf,
  fromBase64,
  nothingChanged,
  propertiesMax,
  propertiesSize,
  propertyChanges,
  rowFault,
  textOf,
  toBase64,
} from './editing'
import { parseJSON, utf8 } from './json'
import { PropertyRows } from './PropertyRows'
import { Versions } from './Versions'

interface Props {
  letter: Detail
  /** Opens the replay of a saved edit. */
  onReplay: (edit: number) => void
  onClose: () => void
}

/** Changes a letter's message: body, properties, tags and keys. What is saved is a version; the original stays. */
export default function EditSheet({ letter, onReplay, onClose }: Props) {
  const [e, setE] = useState<Editable>()
  const [problem, setProblem] = useState<Problem>()
  const [charset, setCharset] = useState<string>()
  const id = letter.id
  const load = useCallback(async () => {
    setProblem(undefined)
    try {
      const fresh = await get<Editable>(`/letters/${id}/edits?charset=${charset ?? 'auto'}`)
      setE(fresh)
      return fresh
    } catch (err) {
      setProblem(asProblem(err))
      return undefined
    }
  }, [id, charset])
  useEffect(() => {
    load()
  }, [load])
  return (
    <Dialog
      title={t('edit.title', { title: plain(middle(titleOf(letter), 48)) })}
      kind="sheet"
      className="edit-sheet"
      onClose={onClose}
    >
      {e ? (
        <Form
          key={`${e.charset} ${e.transcript}`}
          letter={letter}
          e={e}
          charset={charset}
          onCharset={setCharset}
          reload={load}
          onReplay={onReplay}
          onClose={onClose}
        />
      ) : problem ? (
        <div className="dialog-body">
          <ProblemBox error={problem} again={load} />
        </div>
      ) : (
        <div className="dialog-body">
          <Wait lines={10} />
        </div>
      )}
    </Dialog>
  )
}

/** What the sheet shows: the text, what it changes, or a version that was saved before. */
type Mode = 'write' | 'review' | { saved: number } | { look: number }

interface FormProps extends Props {
  e: Editable
  /** What somebody chose to read the body in. */
  charset: string | undefined
  onCharset: (charset: string | undefined) => void
  reload: () => Promise<Editable | undefined>
}

function Form({ letter, e, charset, onCharset, reload, onReplay, onClose }: FormProps) {
  const rights = useRights()
  const [draft, setDraft] = useState<Draft>(() => keptDraft(letter.id) ?? draftOf(e, current(e)))
  const [restored, setRestored] = useState(() => keptDraft(letter.id) !== undefined)
  const [loaded, setLoaded] = useState(0)
  const [mode, setMode] = useState<Mode>('write')
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const [died, setDied] = useState(false)

  const calm = useDeferredValue(draft)
  const changes = useMemo(() => changesOf(e, calm), [e, calm])
  const began = useMemo(() => changesOf(e, draftOf(e, byNumber(e, calm.base))), [e, calm.base])
  const dirty = !same(changes, began)
  const wrong = useMemo(() => faultsOf(e, calm, changes), [e, calm, changes])

  const change = (next: Draft, fresh = false) => {
    setDraft(next)
    setRestored(false)
    if (fresh) setLoaded(n => n + 1)
  }
  useEffect(() => {
    keepDraft(letter.id, dirty ? draft : undefined)
  }, [letter.id, draft, dirty])

  const start = (edit: Edit | undefined) => {
    change(draftOf(e, edit), true)
    setMode('write')
    setProblem(undefined)
  }
  const save = async (replay: boolean) => {
    setBusy(true)
    setProblem(undefined)
    const c = changesOf(e, draft)
    try {
      const { edit, letter: after } = await write<{ edit: Edit; letter: Letter }>(
        'POST',
        `/letters/${letter.id}/edits`,
        {
          version: e.version,
          // An edit of an earlier dead copy is no base for one of this.
          base: byNumber(e, draft.base)?.deaths === e.deaths ? draft.base : 0,
          note: note.trim(),
          body: toBase64(c.body),
          ...(e.transcript && { charset: e.charset }),
          set: c.set,
          remove: c.remove,
        },
      )
      keepDraft(letter.id, undefined)
      landed(after)
      client.invalidateQueries({ queryKey: ['edits', letter.id] })
      if (replay) {
        onReplay(edit.number)
        return
      }
      const fresh = await reload()
      if (fresh) setDraft(draftOf(fresh, byNumber(fresh, edit.number)))
      setNote('')
      setMode({ saved: edit.number })
    } catch (err) {
      const p = asProblem(err)
      setProblem(p)
      if (p.code === 'conflict') {
        if (p.body.letter) landed(p.body.letter)
        const fresh = await reload()
        setDied(fresh !== undefined && fresh.deaths !== e.deaths)
      }
    }
    setBusy(false)
  }

  const looked = typeof mode === 'object' && 'look' in mode ? byNumber(e, mode.look) : undefined
  return (
    <>
      <div className="edit-grid">
        <div className="edit-main">
          {restored && (
            <p className="note-amber">
              <Icon name="info" size={14} /> {t('edit.kept')}{' '}
              <button type="button" className="link small" onClick={() => start(current(e))}>
                {t('edit.kept.drop')}
              </button>
            </p>
          )}
          {problem && (
            <ProblemBox error={problem} about={{ group: plain(letter.consumer_group), topic: plain(letter.topic) }}>
              {problem.code === 'conflict' && <p>{t('edit.conflict')}</p>}
              {died && <p>{t('edit.conflict.died')}</p>}
            </ProblemBox>
          )}
          {/* The editor stays while one looks at something else: its cursor and its undo are worth keeping. */}
          <div className="edit-write" hidden={mode !== 'write'}>
            <p className="quiet">{t('edit.calm')}</p>
            <BodyPart
              e={e}
              text={draft.text}
              loaded={loaded}
              charset={
                <Charset detected={charset ? '' : e.charset} chosen={charset} disabled={dirty} onChoose={onCharset} />
              }
              onChange={text => change({ ...draft, text })}
              onSet={text => change({ ...draft, text }, true)}
              onReview={() => !wrong && dirty && setMode('review')}
            />
            <section aria-label={t('edit.properties')}>
              <h3>{t('edit.properties')}</h3>
              <PropertyRows
                properties={e.properties ?? []}
                rows={draft.rows}
                onChange={rows => change({ ...draft, rows })}
              />
            </section>
          </div>
          {mode === 'review' && (
            <>
              <Difference e={e} c={changes} />
              {wasJSON(e) && changes.bodyChanged && parseJSON(calm.text) === undefined && (
                <p className="note-amber">
                  <Icon name="alert" size={14} /> {t('edit.json.was')}
                </p>
              )}
              <form
                id="edit-save"
                onSubmit={ev => {
                  ev.preventDefault()
                  save(true)
                }}
              >
                <NoteField value={note} onChange={setNote} placeholder={t('edit.why')} />
              </form>
            </>
          )}
          {typeof mode === 'object' && 'saved' in mode && (
            <p className="edit-saved" role="status">
              <Icon name="check" className="good" /> {t('edit.saved', { n: mode.saved })}
            </p>
          )}
          {looked && (
            <>
              {looked.deaths !== e.deaths && (
                <p className="note-amber">
                  <Icon name="info" size={14} /> {t('edit.older.text')}
                </p>
              )}
              <Difference
                e={e}
                c={{
                  body: fromBase64(looked.body),
                  bodyChanged: looked.body !== e.body,
                  set: looked.set ?? {},
                  remove: looked.remove ?? [],
                }}
              />
            </>
          )}
        </div>
        <Versions
          e={e}
          replays={letter.replay_list ?? []}
          base={draft.base}
          dirty={dirty}
          chosen={looked?.number}
          onWrite={() => setMode('write')}
          onLook={n => setMode({ look: n })}
        />
      </div>
      <footer className="edit-foot">
        <span className="quiet small grow">{wrong ?? summary(changes)}</span>
        {mode === 'write' ? (
          <>
            <button type="button" className="button" onClick={onClose}>
              {t('close')}
            </button>
            {!dirty && draft.base > 0 && (
              <button type="button" className="button" onClick={() => onReplay(draft.base)}>
                {t('edit.replay', { n: draft.base })}
              </button>
            )}
            <button
              type="button"
              className="button primary"
              disabled={!dirty || !!wrong || nothingChanged(changes) || !rights.act}
              title={rights.act ? wrong : t('why.role')}
              onClick={() => setMode('review')}
            >
              {t('edit.review')}
            </button>
          </>
        ) : mode === 'review' ? (
          <>
            <button type="button" className="button" onClick={() => setMode('write')}>
              {t('edit.back')}
            </button>
            <button type="button" className="button" disabled={busy || !note.trim()} onClick={() => save(false)}>
              {t('edit.save')}
            </button>
            <button type="submit" form="edit-save" className="button primary" disabled={busy || !note.trim()}>
              {t('edit.save.replay')}
            </button>
          </>
        ) : 'saved' in mode ? (
          <>
            <button type="button" className="button" onClick={() => setMode('write')}>
              {t('edit.back')}
            </button>
            <button type="button" className="button primary" onClick={() => onReplay(mode.saved)}>
              {t('edit.replay', { n: mode.saved })}
            </button>
          </>
        ) : (
          <>
            <button type="button" className="button" onClick={() => setMode('write')}>
              {t('edit.back')}
            </button>
            <button type="button" className={`button${dirty ? ' danger' : ''}`} onClick={() => start(looked)}>
              {t(dirty ? 'edit.open.drop' : 'edit.open')}
            </button>
            {looked && looked.deaths === e.deaths && (
              <button type="button" className="button primary" onClick={() => onReplay(looked.number)}>
                {t('edit.replay', { n: looked.number })}
              </button>
            )}
          </>
        )}
      </footer>
    </>
  )
}

const byNumber = (e: Editable, n: number) => (e.edits ?? []).find(x => x.number === n)

/** The newest edit of the present dead copy: what somebody would go on from. */
const current = (e: Editable) => (e.edits ?? []).find(x => x.deaths === e.deaths)

const wasJSON = (e: Editable) => {
  const text = bodyLocked(e) ? undefined : textOf(e.body)
  return text !== undefined && parseJSON(text) !== undefined
}

/** Whether two drafts come to the same message. */
function same(a: Changes, b: Changes): boolean {
  const list = (c: Changes) => JSON.stringify([Object.entries(c.set).sort(), [...c.remove].sort()])
  return a.body.length === b.body.length && a.body.every((x, i) => x === b.body[i]) && list(a) === list(b)
}

/** What must be mended before it can be saved. */
function faultsOf(e: Editable, d: Draft, c: Changes): string | undefined {
  if (d.rows.some(r => rowFault(d.rows, r))) return t('edit.mend')
  if (c.body.length > bodyMax) return t('edit.body.big', { most: size(bodyMax) })
  const props = propertiesSize(e, d)
  return props > propertiesMax ? t('edit.props.big', { size: props, most: propertiesMax }) : undefined
}

function summary(c: Changes): string {
  if (nothingChanged(c)) return t('edit.none')
  const n = Object.keys(c.set).length + c.remove.length
  const what = [c.bodyChanged && t('edit.changed.body'), n > 0 && t('edit.changed.props', { n })].filter(Boolean)
  return t('edit.changed', { what: what.join(t('list.separator')) })
}

/** The original beside what it became. */
function Difference({ e, c }: { e: Editable; c: Changes }) {
  const props = propertyChanges(e, c)
  const before = useMemo(() => textOf(e.body), [e.body])
  const after = useMemo(() => utf8(c.body), [c.body])
  return (
    <section className="edit-diff" aria-label={t('edit.diff')}>
      <h3>{t('edit.diff')}</h3>
      {c.bodyChanged && before !== undefined && after !== undefined ? (
        <BodyChange before={before} after={after} />
      ) : (
        <p className="quiet">{t('edit.diff.same')}</p>
      )}
      {props.length > 0 && <PropertyTable changes={props} />}
    </section>
  )
}
