import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { asProblem, get, type Problem, write } from '../api/client'
import { landed } from '../api/queries'
import { type ActionResult, type Page, titleOf } from '../api/types'
import { apiDuration } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import { problemWords } from '../parts/problemWords'
import { Table } from '../parts/Table'
import { Foreign } from '../parts/Text'
import { Wait } from '../parts/Wait'
import '../style/probe.css'
import { VerdictChip } from './probe'

// Enough to see whether they fail alike; each occupies a consumer for up to ten seconds.
const most = 5

/** Probes a few letters of one failure group, one after the other, and shows what was said side by side. */
export default function ProbeSample({ fingerprint, onClose }: { fingerprint: string; onClose: () => void }) {
  const query = useQuery({
    queryKey: ['sample', fingerprint],
    queryFn: ({ signal }) => {
      const p = new URLSearchParams({ fingerprint, state: 'open', limit: String(most) })
      return get<Page>(`/letters?${p}`, signal)
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  })
  const letters = query.data?.items ?? []
  const [note, setNote] = useState('')
  const [running, setRunning] = useState('')
  const [said, setSaid] = useState<ReadonlyMap<string, ActionResult>>()
  const [problem, setProblem] = useState<Problem>()
  const stop = useRef(false)
  useEffect(
    () => () => {
      stop.current = true
    },
    [],
  )

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    stop.current = false
    setProblem(undefined)
    const all = new Map<string, ActionResult>()
    setSaid(all)
    for (const l of letters) {
      if (stop.current) break
      setRunning(l.id)
      try {
        const { results } = await write<{ results: ActionResult[] }>('POST', '/letters/actions', {
          action: 'probe',
          ids: [l.id],
          ...(note.trim() && { note: note.trim() }),
        })
        for (const r of results) {
          if (r.letter) landed(r.letter)
          all.set(r.id, r)
        }
        setSaid(new Map(all))
      } catch (err) {
        setProblem(asProblem(err))
        break
      }
    }
    setRunning('')
  }
  const good = [...(said?.values() ?? [])].filter(r => r.probe?.verdict === 'success').length
  return (
    <Dialog title={t('probe.sample.title')} className="probe sample" onClose={onClose}>
      <form onSubmit={submit}>
        <div className="dialog-body">
          <p>{t('probe.sample.text')}</p>
          <p className="note-amber">
            <Icon name="alert" size={14} /> {t('probe.warn')}
          </p>
          {query.error ? (
            <ProblemBox error={query.error} again={() => query.refetch()} />
          ) : !query.data ? (
            <Wait lines={4} />
          ) : letters.length === 0 ? (
            <p className="quiet">{t('probe.sample.none')}</p>
          ) : (
            <Table
              small
              head={[
                t('probe.sample.letter'),
                t('probe.sample.said'),
                [t('probe.sample.client'), 'wide-only'],
                [t('probe.sample.spent'), 'right'],
              ]}
            >
              {letters.map(l => (
                <tr key={l.id}>
                  <th scope="row">
                    <Link href={`/letters/${l.id}`} className="mono" onClick={onClose}>
                      <Foreign text={middle(titleOf(l), 26)} />
                    </Link>
                    <br />
                    <small className="quiet">
                      <Foreign text={middle(l.consumer_group, 26)} />
                    </small>
                  </th>
                  <Said
                    r={said?.get(l.id)}
                    asked={said !== undefined}
                    running={running === l.id}
                    over={running === ''}
                  />
                </tr>
              ))}
            </Table>
          )}
          {good > 0 && running === '' && <p className="small">{t('probe.sample.good', { n: good })}</p>}
          {problem && <ProblemBox error={problem} />}
          {!said && letters.length > 0 && <NoteField value={note} onChange={setNote} required={false} />}
        </div>
        <footer>
          {running ? (
            <button type="button" className="button" onClick={() => (stop.current = true)}>
              <Icon name="stop" /> {t('probe.sample.stop')}
            </button>
          ) : (
            <button type="button" className={said ? 'button primary' : 'button'} onClick={onClose}>
              {t(said ? 'close' : 'cancel')}
            </button>
          )}
          {!said && (
            <button type="submit" className="button primary" disabled={letters.length === 0}>
              <Icon name="probe" /> {t('probe.sample.do', { n: letters.length })}
            </button>
          )}
        </footer>
      </form>
    </Dialog>
  )
}

/** What was said of one letter, in three cells. */
function Said({
  r,
  asked,
  running,
  over,
}: {
  r: ActionResult | undefined
  asked: boolean
  running: boolean
  over: boolean
}) {
  const p = r?.probe
  const failed = r?.error && problemWords(r.error)
  return (
    <>
      <td>
        {p ? (
          <>
            <VerdictChip p={p} />{' '}
            {p.text && (
              <span className="mono small" title={plain(p.text)}>
                <Foreign text={p.text.split('\n')[0]?.slice(0, 200) ?? ''} />
              </span>
            )}
            {!p.trusted && <small className="amber">{t('probe.untrusted')}</small>}
          </>
        ) : failed ? (
          <span className="bad small">{[failed.title, failed.detail].filter(Boolean).join(t('colon'))}</span>
        ) : (
          <span className="quiet small">
            {running ? t('probe.sample.runs') : asked ? t(over ? 'probe.sample.left' : 'probe.sample.waits') : '–'}
          </span>
        )}
      </td>
      <td className="wide-only mono small">{p && <Foreign text={middle(p.client_id, 24)} />}</td>
      <td className="right num small">{p && apiDuration(p.spent)}</td>
    </>
  )
}
