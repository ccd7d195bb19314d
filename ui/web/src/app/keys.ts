import { useEffect, useRef } from 'react'

/** What a key does. A name is a key ("j", "Enter"), a shifted letter ("X" is ⇧x) or a sequence ("g l"). */
export type Keymap = Record<string, () => void>

const maps: { current: Keymap }[] = []
let prefix = ''
let prefixTimer = 0

/** Whether the person is typing, choosing in a field, or in a dialog or menu of its own. */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false
  if (
    target.closest(
      'input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true], [role=menu], [data-typing]',
    )
  )
    return true
  return document.querySelector('dialog[open]') !== null
}

function onKey(e: KeyboardEvent): void {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing || typing(e.target)) return
  // A focused button or link keeps its own Enter and blank.
  if (
    (e.key === 'Enter' || e.key === ' ') &&
    e.target instanceof Element &&
    e.target.closest('button, a, summary, [role=tab]')
  )
    return
  const name = prefix ? `${prefix} ${e.key}` : e.key
  for (let i = maps.length - 1; i >= 0; i--) {
    const run = maps[i]?.current[name]
    if (run) {
      prefix = ''
      e.preventDefault()
      run()
      return
    }
  }
  const starts = !prefix && maps.some(m => Object.keys(m.current).some(k => k.startsWith(`${e.key} `)))
  prefix = starts ? e.key : ''
  clearTimeout(prefixTimer)
  if (starts) prefixTimer = window.setTimeout(() => (prefix = ''), 1200)
}

/** Makes keys do things while the component is shown; the one mounted last comes first. */
export function useKeys(map: Keymap): void {
  const ref = useRef(map)
  ref.current = map
  useEffect(() => {
    if (maps.length === 0) document.addEventListener('keydown', onKey)
    maps.push(ref)
    return () => {
      maps.splice(maps.indexOf(ref), 1)
      if (maps.length === 0) document.removeEventListener('keydown', onKey)
    }
  }, [])
}
