import { useState } from 'react'
import { asProblem, type Problem, write } from '../api/client'
import { client, useRights } from '../api/queries'
import type { FileStatus, Status } from '../api/types'
import { t, tx } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'

/** Says that the data file is gone or a copy; on a copy an admin confirms that it is the only one in use. */
export function FileStrip({ file }: { file: FileStatus }) {
  const [asking, setAsking] = useState(false)
  const { admin } = useRights()
  if (file.state === 'ok') return null
  const path = <Foreign text={file.path ?? ''} className="mono" />
  if (file.state !== 'copy') return tx(`strip.file.${file.state}`, { path })
  return (
    <>
      {file.from
        ? tx('strip.file.copy', {
            path,
            from: <Foreign text={file.from.path} className="mono" />,
            host: <Foreign text={file.from.host} />,
            at: <Time at={file.from.at} form="moment" />,
          })
        : null}{' '}
      {admin ? (
        <button type="button" className="button small" onClick={() => setAsking(true)}>
          {t('adopt')}…
        </button>
      ) : (
        t('adopt.admin')
      )}
      {asking && <AdoptDialog onClose={() => setAsking(false)} />}
    </>
  )
}

function AdoptDialog({ onClose }: { onClose: () => void }) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const adopt = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      const file = await write<FileStatus>('POST', '/file/adopt', {})
      client.setQueryData<Status>(['status'], s => s && { ...s, store: { ...s.store, file } })
      onClose()
    } catch (err) {
      setProblem(asProblem(err))
      setBusy(false)
    }
  }
  return (
    <Dialog title={t('adopt.title')} onClose={onClose}>
      <div className="dialog-body">
        <p>{t('adopt.what')}</p>
        <p>{t('adopt.then')}</p>
        {problem && <ProblemBox error={problem} />}
      </div>
      <footer>
        <button type="button" className="button" onClick={onClose}>
          {t('cancel')}
        </button>
        <button type="button" className="button danger" disabled={busy} onClick={adopt}>
          {t('adopt.do')}
        </button>
      </footer>
    </Dialog>
  )
}
