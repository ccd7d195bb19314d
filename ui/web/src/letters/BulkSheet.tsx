import { type FormEvent, useId, useMemo, useState } from 'react'
import { asProblem, type Problem, randomID, write } from '../api/client'
import { landed, useReplayOptions } from '../api/queries'
import { type ActionResult, type Letter, type ProblemBody, type State, titleOf } from '../api/types'
import { apiDuration, count } from '../i18n/format'
import { code, codeWords, t } from '../i18n/i18n'
import { RouteChoice, type RouteWish } from '../letter/RouteChoice'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { problemWords } from '../parts/problemWords'
import { Foreign } from '../parts/Text'
import type { BulkAction } from './BulkBar'

const may: Record<BulkAction, readonly State[] | 'any'> = {
  replay: ['open', 'snoozed', 'scheduled'],
  discard: ['open', 'snoozed', 'scheduled'],
  resolve: ['open', 'snoozed', 'scheduled'],
  restore: ['resolved', 'discarded'],
  take: 'any',
  route: ['open'],
}

const needsNote = (a: BulkAction) => a !== 'take' && a !== 'restore' && a !== 'route'

// The API takes at most 500 at once; smaller parts show progress. A part that is asked for again is done once.
const atOnce = 200

interface Props {
  action: BulkAction
  letters: readonly Letter[]
  onClose: (failed?: ReadonlyMap<string, Letter>) => void
}

/** What will happen to the marked letters and how; afterwards, what did. */
export default function BulkSheet({ action, letters, onClose }: Props) {
  const [note, setNote] = useState('')
  const [delay, setDelay] = useState('')
  const [route, setRoute] = useState<RouteWish>('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const [done, setDone] = useState(0)
  const [results, setResults] = useState<ActionResult[]>()
  const [key] = useState(randomID)
  const noteID = useId()
  const delayID = useId()
  const allowed = may[action]
  const go = useMemo(() => letters.filter(l => allowed === 'any' || allowed.includes(l.state)), [letters, allowed])
  const skipped = letters.length - go.length
  const first = go[0]
  // The levels are the broker's; any letter of the cluster knows them.
  const levels = useReplayOptions(first?.id ?? '', first?.version ?? 0, action === 'replay' && first !== undefined).data
    ?.levels

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
          {
            action,
            ids: go.slice(from, from + atOnce).map(l => l.id),
            ...(note.trim() && { note: note.trim() }),
            ...(delay && { delay }),
            ...(route && { route }),
          },
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
    <Dialog title={title} kind="sheet" onClose={close}>
      <form onSubmit={submit} className="bulk-form">
        <div className="dialog-body two">
          <section>
            <h3>{t('bulk.what')}</h3>
            <p>{t(`bulk.${action}.text`)}</p>
            {skipped > 0 && (
              <p className="note-amber">
                <Icon name="info" size={14} /> {t('bulk.skipped', { n: skipped })}
              </p>
            )}
            <Counts letters={go} of={l => l.consumer_group} name={t('facet.groups')} />
            <Counts letters={go} of={l => l.reason} family="reason" name={t('facet.reasons')} />
            <Counts letters={go} of={l => l.topic} name={t('facet.topics')} />
            <Counts letters={go} of={l => l.route} family="route" name={t('facet.routes')} />
            {action === 'replay' && <Risks letters={go} />}
          </section>
          <section>
            <h3>{t('bulk.how')}</h3>
            {action === 'route' && <RouteChoice value={route} onChange={setRoute} />}
            {action === 'replay' && (
              <label htmlFor={delayID}>
                {t('replay.delay')}
                <select id={delayID} value={delay} onChange={e => setDelay(e.target.value)}>
                  <option value="">{t('replay.at_once')}</option>
                  {levels?.map(l => (
                    <option key={l.level} value={l.delay}>
                      {apiDuration(l.delay)}
                    </option>
                  ))}
                </select>
              </label>
            )}
            <label htmlFor={noteID}>
              {needsNote(action) ? t('note.required') : t('note.optional')}
              <textarea
                id={noteID}
                rows={4}
                maxLength={2000}
                required={needsNote(action)}
                value={note}
                placeholder={action === 'route' ? '' : t(`note.why.${action}`)}
                onChange={e => setNote(e.target.value)}
              />
            </label>
            {problem && <ProblemBox error={problem} />}
          </section>
        </div>
        <footer>
          <button type="button" className="button" onClick={close}>
            {t('cancel')}
          </button>
          <button
            type="submit"
            className={`button ${action === 'discard' ? 'danger' : 'primary'}`}
            disabled={busy || go.length === 0 || (needsNote(action) && !note.trim())}
          >
            {busy ? `${t('working')} ${done > 0 ? count(done) : ''}` : t(`bulk.${action}.do`, { n: go.length })}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

function Counts({
  letters,
  of,
  name,
  family,
}: {
  letters: readonly Letter[]
  of: (l: Letter) => string
  name: string
  family?: string
}) {
  const by = new Map<string, number>()
  for (const l of letters) by.set(of(l), (by.get(of(l)) ?? 0) + 1)
  const rows = [...by].sort((a, b) => b[1] - a[1])
  return (
    <dl className="counts">
      <dt>{name}</dt>
      {rows.slice(0, 6).map(([value, n]) => (
        <dd key={value}>
          <span>{(family && codeWords(family, value)) ?? (value ? <Foreign text={value} /> : t('facet.none'))}</span>
          <span className="num">{count(n)}</span>
        </dd>
      ))}
      {rows.length > 6 && <dd className="quiet">{t('more.n', { n: rows.length - 6 })}</dd>}
    </dl>
  )
}

function Risks({ letters }: { letters: readonly Letter[] }) {
  const duplicates = letters.filter(l => l.flags?.includes('possible_duplicate')).length
  const again = letters.filter(l => l.flags?.includes('failed_again')).length
  const groups = new Set(letters.map(l => l.consumer_group))
  return (
    <ul className="risks">
      <li>{t('bulk.doors', { n: groups.size })}</li>
      {again > 0 && <li className="amber">{t('bulk.again', { n: again })}</li>}
      {duplicates > 0 && <li className="amber">{t('bulk.duplicates', { n: duplicates })}</li>}
    </ul>
  )
}

function Failure({ error, letter }: { error: ProblemBody; letter: Letter | undefined }) {
  const about = letter && { group: plain(letter.consumer_group), topic: plain(letter.topic) }
  const { title, detail, hint, foreign } = problemWords(error, about)
  return (
    <>
      {plain(title)}
      {detail && (
        <>
          {t('colon')}
          <span lang={foreign ? 'en' : undefined}>{plain(detail)}</span>
        </>
      )}
      {hint && <small> {plain(hint)}</small>}
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
        <strong>{t('bulk.good', { n: good })}</strong>
        {good < results.length && <> {t('bulk.bad', { n: results.length - good })}</>}
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
