import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import '../style/menu.css'
import { Icon, type IconName } from './Icon'

export interface Item {
  key: string
  label: ReactNode
  icon?: IconName
  /** The shortcut that does the same. */
  keys?: string
  /** Why it may not be pressed; it stays visible and says so. */
  why?: string | undefined
  danger?: boolean
  run: () => void
}

interface Props {
  items: readonly (Item | 'line')[]
  /** The button that opens it. */
  button: ReactNode
  label: string
  className?: string
  /** Rises when something else (a shortcut) asks for the menu to open. */
  openSignal?: number
  disabled?: boolean
}

/** A button with a menu under it: arrow keys move, Enter chooses, Esc closes. */
export function Menu({ items, button, label, className, openSignal = 0, disabled }: Props) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const trigger = useRef<HTMLButtonElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const id = useId()

  useEffect(() => {
    if (openSignal > 0) setOpen(true)
  }, [openSignal])

  useEffect(() => {
    if (!open) return
    const first = list.current?.querySelector<HTMLElement>('[role=menuitem]')
    first?.focus()
    const outside = (e: PointerEvent) => {
      if (!root.current?.contains(e.target as Node)) setOpen(false)
    }
    document.addEventListener('pointerdown', outside)
    return () => document.removeEventListener('pointerdown', outside)
  }, [open])

  const close = () => {
    setOpen(false)
    trigger.current?.focus()
  }
  const step = (by: number) => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    all[(at + by + all.length) % all.length]?.focus()
  }

  return (
    <div className="menu-root" ref={root}>
      <button
        ref={trigger}
        type="button"
        className={className ?? 'icon-button'}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={label}
        title={label}
        disabled={disabled}
        onClick={() => setOpen(o => !o)}
      >
        {button}
      </button>
      {open && (
        <div
          id={id}
          ref={list}
          className="menu"
          role="menu"
          aria-label={label}
          onKeyDown={e => {
            e.stopPropagation()
            if (e.key === 'ArrowDown' || e.key === 'j') step(1)
            else if (e.key === 'ArrowUp' || e.key === 'k') step(-1)
            else if (e.key === 'Home') list.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
            else if (e.key === 'Escape') close()
            else if (e.key === 'Tab') setOpen(false)
            else return
            if (e.key !== 'Tab') e.preventDefault()
          }}
        >
          {items.map((item, i) =>
            item === 'line' ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: lines have no identity
              <hr key={i} />
            ) : (
              <button
                key={item.key}
                type="button"
                role="menuitem"
                className={item.danger ? 'danger' : undefined}
                aria-disabled={item.why ? true : undefined}
                tabIndex={-1}
                onClick={() => {
                  if (item.why) return
                  close()
                  item.run()
                }}
              >
                {item.icon && <Icon name={item.icon} />}
                <span className="grow">
                  {item.label}
                  {item.why && <small>{item.why}</small>}
                </span>
                {item.keys && <kbd>{item.keys}</kbd>}
              </button>
            ),
          )}
        </div>
      )}
    </div>
  )
}
