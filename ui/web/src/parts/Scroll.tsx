import type { ReactNode } from 'react'

/** A table that may be wider than its place: it scrolls, and can be scrolled by keyboard. */
export function Scroll({ children }: { children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className="table-scroll" tabIndex={0}>
      {children}
    </div>
  )
}
