import type { ReactNode } from 'react'
import '../style/tables.css'

interface Props {
  /** The names of the columns, or a name and its class (`right` for numbers, `wide-only` for what a phone leaves out). */
  head: readonly (string | readonly [name: string, className: string])[]
  small?: boolean
  children: ReactNode
}

/** A plain table of facts; its rows are the caller's. When it is wider than its place it scrolls, by keyboard too. */
export function Table({ head, small, children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className="table-scroll" tabIndex={0}>
      <table className={`plain-table${small ? ' small' : ''}`}>
        <thead>
          <tr>
            {head.map(h => {
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
