import { useEffect, useRef, useState } from 'react'
import { t } from '../i18n/i18n'
import { Icon } from './Icon'
import { middle, plain } from './mask'
import { Foreign } from './Text'

/** An id, cut in its middle; whole on hover, and with a button that copies it whole. */
export function Id({ value, max = 24, copy = false }: { value: string; max?: number; copy?: boolean }) {
  return (
    <span className="id">
      <code title={plain(value)}>
        <Foreign text={middle(value, max)} />
      </code>
      {copy && <Copy value={value} />}
    </span>
  )
}

/** A button that copies text and says so. */
export function Copy({ value, label }: { value: string | (() => string); label?: string }) {
  const [state, setState] = useState<'' | 'done' | 'failed'>('')
  const timer = useRef(0)
  useEffect(() => () => clearTimeout(timer.current), [])
  const name = state === 'done' ? t('copy.done') : state === 'failed' ? t('copy.failed') : t('copy')
  return (
    <button
      type="button"
      className={label ? 'button small' : 'icon-button tiny'}
      title={name}
      aria-label={label ? undefined : name}
      onClick={async e => {
        e.stopPropagation()
        const ok = await toClipboard(typeof value === 'string' ? value : value())
        setState(ok ? 'done' : 'failed')
        clearTimeout(timer.current)
        timer.current = window.setTimeout(() => setState(''), 1500)
      }}
    >
      <Icon name={state === 'done' ? 'check' : state === 'failed' ? 'close' : 'copy'} size={13} />
      {label && <span>{state ? name : label}</span>}
    </button>
  )
}

async function toClipboard(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text)
      return true
    }
  } catch {
    // Forbidden, or the page has no focus: the old way may still work.
  }
  // navigator.clipboard is missing where the page is served without TLS from another machine.
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'off-screen'
  document.body.append(area)
  area.select()
  const ok = document.execCommand('copy')
  area.remove()
  return ok
}
