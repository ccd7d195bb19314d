import { useEffect, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { asProblem, type Problem, randomID } from '../api/client'
import { count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { create, drop, useOperation } from '../operations/api'
import { DraftForm } from '../operations/DraftForm'
import { proposed } from '../operations/spec'
import type { Operation } from '../operations/types'
import { Dialog } from '../parts/Dialog'
import { ProblemBox } from '../parts/Problem'
import { Wait } from '../parts/Wait'
import type { BulkKind } from './BulkBar'
import { type Selection, sizeOf } from './selection'

interface Props {
  kind: BulkKind
  selection: Selection
  onClose: (started: boolean) => void
}

/** Freezes the marked letters into a draft, and shows what would happen to them and how. */
export default function BulkSheet({ kind, selection, onClose }: Props) {
  const [, go] = useLocation()
  const [id] = useState(() => `page-${randomID()}`)
  const [number, setNumber] = useState(0)
  const [problem, setProblem] = useState<Problem>()
  const [tries, setTries] = useState(0)
  const draft = useOperation(number ? String(number) : '').data
  const { n, exact } = sizeOf(selection)
  // What becomes of the draft when the sheet is closed, also while it is still being made.
  const made = useRef<Operation | undefined>(undefined)
  const left = useRef(false)
  const kept = useRef(false)

  // biome-ignore lint/correctness/useExhaustiveDependencies: what was marked when the sheet opened is what it is about
  useEffect(() => {
    setProblem(undefined)
    create({
      id,
      kind,
      spec: proposed(kind, n),
      choice: selection.all
        ? { query: selection.all.query, except: [...selection.letters.keys()] }
        : { ids: [...selection.letters.keys()] },
    }).then(
      o => {
        made.current = o
        if (left.current) drop(o)
        else setNumber(o.number)
      },
      e => setProblem(asProblem(e)),
    )
  }, [id, kind, tries])

  // The note is what a person has to write; the sheet waited for its draft. Where all stands in one column, what will
  // happen comes first and is read first.
  const ready = draft !== undefined
  useEffect(() => {
    if (ready && window.matchMedia('(min-width: 861px)').matches)
      document.querySelector<HTMLElement>('dialog[open] textarea[required]')?.focus()
  }, [ready])

  const close = () => {
    left.current = true
    if (made.current && !kept.current) drop(made.current)
    onClose(false)
  }
  const eligible = draft?.preview?.eligible
  return (
    <Dialog
      title={t(`bulk.${kind}.title`, {
        n: eligible ?? n,
        count: eligible === undefined ? count(n, exact) : count(eligible),
      })}
      kind="sheet"
      className="bulk-sheet"
      onClose={close}
    >
      {problem ? (
        <div className="dialog-body">
          <ProblemBox error={problem} again={() => setTries(x => x + 1)} />
        </div>
      ) : !draft ? (
        <div className="dialog-body">
          <p className="quiet" role="status">
            {t('draft.freezing')}
          </p>
          <Wait lines={10} />
        </div>
      ) : (
        <DraftForm
          o={draft}
          onStarted={o => {
            kept.current = true
            onClose(true)
            if (!o.hold_until) go(`/operations/${o.number}`)
          }}
        >
          {keepNote => (
            <>
              <button
                type="button"
                className="button"
                onClick={async () => {
                  if (!(await keepNote())) return
                  kept.current = true
                  onClose(false)
                  go(`/operations/${draft.number}`)
                }}
              >
                {t('draft.keep')}
              </button>
              <button type="button" className="button" onClick={close}>
                {t('cancel')}
              </button>
            </>
          )}
        </DraftForm>
      )}
    </Dialog>
  )
}
