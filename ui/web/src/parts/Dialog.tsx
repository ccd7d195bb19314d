import { type ReactNode, useEffect, useId, useRef } from 'react'
import { t } from '../i18n/i18n'
import '../style/dialog.css'
import { Asking } from './Asking'
import { Icon } from './Icon'

interface Props {
  title: ReactNode
  onClose: () => void
  children: ReactNode
  /** A sheet is wide and stands at the right; a box is small and in the middle. */
  kind?: 'box' | 'sheet'
  className?: string
}

/** A native modal dialog: focus stays inside, Esc closes it, what lies behind cannot be reached. */
export function Dialog({ title, onClose, children, kind = 'box', className }: Props) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const d = ref.current
    const before = document.activeElement
    d?.showModal()
    // What was opened to be filled in takes the first key; the button that closes it does not.
    const field =
      d?.querySelector<HTMLElement>('textarea[required]') ??
      d?.querySelector<HTMLElement>('form :is(input, select, textarea)')
    field?.focus()
    return () => {
      d?.close()
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={ref}
      className={`dialog ${kind} ${className ?? ''}`}
      aria-labelledby={id}
      onCancel={e => {
        e.preventDefault()
        onClose()
      }}
      // Keys typed here are not meant for the page behind.
      onKeyDown={e => e.stopPropagation()}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" className="icon-button" aria-label={t('close')} title={t('close')} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
      <Asking />
    </dialog>
  )
}
