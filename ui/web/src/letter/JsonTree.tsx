import { useState } from 'react'
import { bytes } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { Foreign } from '../parts/Text'
import { base64Text, type Node, parseJSON } from './json'

// So many children are shown at first, and so many characters of one text.
const someChildren = 100
const someText = 2000

/** A JSON value as a tree that opens branch by branch. `marked` is the path of the field that gave the reason. */
export function JsonTree({ node, marked = '' }: { node: Node; marked?: string }) {
  return (
    <div className="json mono">
      <Value node={node} path="" depth={0} marked={marked} />
    </div>
  )
}

interface Props {
  node: Node
  path: string
  depth: number
  marked: string
}

function Value(props: Props) {
  const { node } = props
  switch (node.kind) {
    case 'string':
      return <Str value={node.value} depth={props.depth} />
    case 'number':
      return <span className="j-number">{node.raw}</span>
    case 'literal':
      return <span className="j-literal">{node.raw}</span>
    default:
      return <Branch {...props} />
  }
}

function Branch({ node, path, depth, marked }: Props) {
  const isObject = node.kind === 'object'
  const children: [string, Node][] = isObject
    ? node.entries
    : node.kind === 'array'
      ? node.items.map((n, i) => [String(i), n])
      : []
  const [open, setOpen] = useState(depth < 2 && children.length <= someChildren)
  const [many, setMany] = useState(someChildren)
  const [left, right] = isObject ? ['{', '}'] : ['[', ']']
  if (children.length === 0)
    return (
      <span className="j-punct">
        {left}
        {right}
      </span>
    )
  return (
    <>
      <button type="button" className="j-fold" aria-expanded={open} onClick={() => setOpen(o => !o)}>
        <Icon name={open ? 'down' : 'right'} size={12} />
        <span className="j-punct">{left}</span>
        {!open && (
          <span className="quiet">
            {' '}
            {t(isObject ? 'json.fields' : 'json.items', { n: children.length })}{' '}
            <span className="j-punct">{right}</span>
          </span>
        )}
      </button>
      {open && (
        <ul>
          {children.slice(0, many).map(([key, child], i) => {
            const at = path ? `${path}.${key}` : key
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: keys may repeat in a foreign document
              <li key={i} className={at === marked ? 'marked' : undefined}>
                {isObject ? (
                  <span className="j-key">
                    <Foreign text={key.slice(0, 200)} />:{' '}
                  </span>
                ) : (
                  <span className="j-index">{key}: </span>
                )}
                <Value node={child} path={at} depth={depth + 1} marked={marked} />
                {at === marked && <span className="chip blue">{t('body.reason')}</span>}
              </li>
            )
          })}
          {children.length > many && (
            <li>
              <button type="button" className="link small" onClick={() => setMany(m => m * 4)}>
                {t('more.n', { n: children.length - many })}
              </button>
            </li>
          )}
        </ul>
      )}
      {open && <span className="j-punct">{right}</span>}
    </>
  )
}

function Str({ value, depth }: { value: string; depth: number }) {
  const [all, setAll] = useState(false)
  const [decoded, setDecoded] = useState(false)
  const inner = base64Text(value)
  const node = decoded && inner !== undefined ? parseJSON(inner) : undefined
  const cut = !all && value.length > someText
  return (
    <>
      <span className="j-string">
        "<Foreign text={cut ? value.slice(0, someText) : value} />
        {cut ? '…' : ''}"
      </span>
      {cut && (
        <button type="button" className="link small" onClick={() => setAll(true)}>
          {t('body.whole', { size: bytes(value.length) })}
        </button>
      )}
      {inner !== undefined && (
        <button type="button" className="link small" aria-expanded={decoded} onClick={() => setDecoded(d => !d)}>
          {t(decoded ? 'body.base64.hide' : 'body.base64')}
        </button>
      )}
      {decoded && inner !== undefined && (
        <div className="j-inner">
          {node ? (
            <Value node={node} path="" depth={Math.min(depth, 1)} marked="" />
          ) : (
            <Foreign text={inner.slice(0, someText * 5)} />
          )}
        </div>
      )}
    </>
  )
}
