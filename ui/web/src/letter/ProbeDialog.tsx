import { type FormEvent, useState } from 'react'
import { asProblem, type Problem, write } from '../api/client'
import { landed, useReplayOptions } from '../api/queries'
import { type Detail, type Letter, titleOf } from '../api/types'
import { code, t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { Wait } from '../parts/Wait'
import type { Probe } from './types'
import '../style/probe.css'
import { doAct } from './acts'
import { ClientName, ProbeAnswer, truthful } from './probe'

/** Runs a letter's message through one chosen consumer now, and says what came of it. */
export default function ProbeDialog({ letter, onClose }: { letter: Detail; onClose: () => void }) {
  const options = useReplayOptions(letter.id, letter.version, true)
  const [client, setClient] = useState('')
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const [probe, setProbe] = useState<Probe>()
  const [after, setAfter] = useState<Letter>(letter)
  const about = { group: plain(letter.consumer_group), topic: plain(letter.topic) }
  const o = options.data
  const door = o?.doors?.find(d => d.door === 'D')
  const clients = o?.group.clients ?? []
  const kind = o?.group.kind ?? ''

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      const said = await write<{ probe: Probe; letter: Letter }>('POST', `/letters/${letter.id}/probe`, {
        version: after.version,
        client_id: client,
        ...(note.trim() && { note: note.trim() }),
      })
      landed(said.letter)
      setAfter(said.letter)
      setProbe(said.probe)
    } catch (err) {
      const p = asProblem(err)
      if (p.body.letter) {
        landed(p.body.letter)
        setAfter(p.body.letter)
      }
      setProblem(p)
    }
    setBusy(false)
  }
  const good = probe?.verdict === 'success' && probe.trusted
  const settling = good && after.state !== 'resolved'
  const title = t('probe.title', { title: plain(middle(titleOf(letter), 40)) })
  if (probe)
    return (
      <Dialog title={title} className="probe" onClose={onClose}>
        <div className="dialog-body">
          <ProbeAnswer p={probe} letter={after} />
          {good && <Settle letter={after} probe={probe} onDone={setAfter} />}
        </div>
        <footer>
          {probe.verdict !== 'success' && (
            <button type="button" className="button" onClick={() => setProbe(undefined)}>
              {t('probe.again')}
            </button>
          )}
          <button type="button" className={`button${settling ? '' : ' primary'}`} onClick={onClose}>
            {t('close')}
          </button>
        </footer>
      </Dialog>
    )
  return (
    <Dialog title={title} className="probe" onClose={onClose}>
      <form onSubmit={submit}>
        <div className="dialog-body">
          <p>{t('probe.text')}</p>
          <p className="note-amber">
            <Icon name="alert" size={14} /> {t('probe.warn')}
          </p>
          {options.error ? (
            <ProblemBox error={options.error} again={() => options.refetch()} />
          ) : !o ? (
            <Wait lines={3} />
          ) : door && !door.allowed ? (
            <p className="note-amber">
              <Icon name="info" size={14} />{' '}
              {o.broker_error ? <Said text={o.broker_error} /> : code('door.shut', door.why, about)}
            </p>
          ) : (
            <fieldset className="choices">
              <legend>{t('probe.client')}</legend>
              <label className="check">
                <input type="radio" name="client" checked={client === ''} onChange={() => setClient('')} />
                <span>{t('probe.client.any')}</span>
              </label>
              {clients.map(c => (
                <label key={c.id} className="check">
                  <input type="radio" name="client" checked={client === c.id} onChange={() => setClient(c.id)} />
                  <span>
                    <ClientName c={c} />
                    {!truthful(kind, c.language) && <small className="amber">{t('probe.untrusted')}</small>}
                  </span>
                </label>
              ))}
            </fieldset>
          )}
          <NoteField value={note} onChange={setNote} required={false} />
          {problem && <ProblemBox error={problem} about={about} />}
        </div>
        <footer>
          <span className="quiet small grow" role="status">
            {busy && t('probe.asking')}
          </span>
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button type="submit" className="button primary" disabled={busy || !o || !door?.allowed}>
            <Icon name="probe" /> {t('probe.do')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

/** After a success the letter is done: it offers to say so. */
function Settle({ letter, probe, onDone }: { letter: Letter; probe: Probe; onDone: (l: Letter) => void }) {
  const [note, setNote] = useState(t('probe.resolve.note', { client: probe.client_id }))
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const resolve = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      onDone(await doAct('resolve', letter, { resolution: 'confirmed', note: note.trim() }))
    } catch (err) {
      const p = asProblem(err)
      if (p.body.letter) onDone(p.body.letter)
      setProblem(p)
    }
    setBusy(false)
  }
  if (letter.state === 'resolved')
    return (
      <p role="status">
        <Icon name="check" className="good" /> {t('probe.resolved')}
      </p>
    )
  return (
    <form className="probe-settle" onSubmit={resolve}>
      <p>{t('probe.resolve.text')}</p>
      <NoteField value={note} onChange={setNote} />
      {problem && <ProblemBox error={problem} />}
      <p>
        <button type="submit" className="button primary" disabled={busy || !note.trim()}>
          <Icon name="check" /> {t('probe.resolve')}
        </button>
      </p>
    </form>
  )
}
