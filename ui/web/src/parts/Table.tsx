import type { ReactNode } from 'react'
import '../style/tables.css'

interface Props {
  /** The names of the columns, or a name and its class (`right` for numbers, `wide-only` for what a phone leaves out). */
  head: readonly (string | readonly [name: string, className: string] | Sortable)[]
  small?: boolean
  className?: string
  children: ReactNode
}

/** A column by which the rows can be put in order. */
export interface Sortable {
  name: string
  className?: string
  sort: 'ascending' | 'descending' | 'none'
  onSort: () => void
}

/** A plain table of facts; its rows are the caller's. When it is wider than its place it scrolls, by keyboard too. */
export function Table({ head, small, className = '', children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className="table-scroll" tabIndex={0}>
      <table className={`plain-table${small ? ' small' : ''} ${className}`}>
        <thead>
          <tr>
            {head.map(h => {
              if (typeof h === 'object' && 'onSort' in h)
                return (
                  <th key={h.name} scope="col" className={h.className} aria-sort={h.sort}>
                    <button type="button" onClick={h.onSort}>
                      {h.name}
                      <span aria-hidden="true">{h.sort === 'none' ? '' : h.sort === 'ascending' ? ' ↑' : ' ↓'}</span>
                    </button>
                  </th>
                )
              const [name, className] = typeof h === 'string' ? [h] : h
              return (
                <th key={name} scope="col" className={className}>
                  {name}
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}
