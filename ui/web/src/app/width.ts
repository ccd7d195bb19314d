import { useSyncExternalStore } from 'react'

const wide = window.matchMedia('(min-width: 1360px)')
const middle = window.matchMedia('(min-width: 1100px)')

function subscribe(listener: () => void): () => void {
  wide.addEventListener('change', listener)
  middle.addEventListener('change', listener)
  return () => {
    wide.removeEventListener('change', listener)
    middle.removeEventListener('change', listener)
  }
}

/** How many panes fit: facets, list and letter; list and letter; one at a time. */
export function usePanes(): 1 | 2 | 3 {
  return useSyncExternalStore(subscribe, () => (wide.matches ? 3 : middle.matches ? 2 : 1))
}
