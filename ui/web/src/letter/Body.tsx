import { useMemo, useState } from 'react'
import { useBody } from '../api/queries'
import type { Detail } from '../api/types'
import { bytes as size } from '../i18n/format'
import { code, t } from '../i18n/i18n'
import { Copy } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Wait } from '../parts/Wait'
import '../style/body.css'
import { JsonTree } from './JsonTree'
import { hexLine, parseJSON, utf8 } from './json'

type Form = 'json' | 'text' | 'hex'

// So many characters of text and bytes of hex are shown at first.
const someText = 50_000
const someBytes = 2048

/** The body: exact, and never anything but text. */
export function Body({ letter }: { letter: Detail }) {
  const query = useBody(letter.id, letter.message_id)
  const [chosen, setChosen] = useState<Form>()
  const bytes = query.data?.bytes
  const text = useMemo(() => (bytes ? utf8(bytes) : undefined), [bytes])
  const node = useMemo(() => (text ? parseJSON(text) : undefined), [text])

  if (query.error) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!bytes) return <Wait lines={6} />
  if (bytes.length === 0) return <p className="quiet">{t('body.empty')}</p>

  const form: Form = chosen ?? (node ? 'json' : text !== undefined ? 'text' : 'hex')
  const why: Record<Form, string | undefined> = {
    json: node ? undefined : t('body.not.json'),
    text: text !== undefined ? undefined : t('body.not.utf8'),
    hex: undefined,
  }
  const field = letter.reason_field?.startsWith('body.') ? letter.reason_field.slice(5) : ''
  return (
    <div className="body">
      <div className="body-head">
        <fieldset className="switch words">
          <legend className="off-screen">{t('body.form')}</legend>
          {(['json', 'text', 'hex'] as const).map(f => (
            <button
              key={f}
              type="button"
              aria-pressed={form === f}
              disabled={!!why[f]}
              title={why[f]}
              onClick={() => setChosen(f)}
            >
              {t(`body.${f}`)}
            </button>
          ))}
        </fieldset>
        <span className="quiet num">{size(bytes.length)}</span>
        <span className="grow" />
        {text !== undefined && <Copy value={text} label={t('copy')} />}
        <a className="button small" href={`/api/v1/letters/${letter.id}/body`} download>
          {t('body.download')}
        </a>
      </div>
      {text === undefined && <Note text={t('body.hexed')} />}
      {query.data && query.data.state !== '' && query.data.state !== 'plain' && (
        <Note text={code('body.state', query.data.state)} />
      )}
      {letter.envelope && <Note text={t('body.envelope', { name: letter.envelope })} />}
      {form === 'json' && node && <JsonTree node={node} marked={field} />}
      {form === 'text' && text !== undefined && <Text text={text} />}
      {form === 'hex' && <Hex bytes={bytes} />}
    </div>
  )
}

function Note({ text }: { text: string }) {
  return (
    <p className="note-amber">
      <Icon name="info" size={14} /> {text}
    </p>
  )
}

function Text({ text }: { text: string }) {
  const [all, setAll] = useState(false)
  const cut = !all && text.length > someText
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className="text" tabIndex={0}>
        <Foreign text={cut ? text.slice(0, someText) : text} />
      </pre>
      {cut && (
        <button type="button" className="button small" onClick={() => setAll(true)}>
          {t('body.whole', { size: size(text.length) })}
        </button>
      )}
    </>
  )
}

function Hex({ bytes }: { bytes: Uint8Array }) {
  const [many, setMany] = useState(someBytes)
  const lines: number[] = []
  for (let i = 0; i < Math.min(many, bytes.length); i += 16) lines.push(i)
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className="hex" tabIndex={0}>
        {lines.map(from => {
          const [at, hex, chars] = hexLine(bytes, from)
          return (
            <span key={from} className="hex-line">
              <span className="quiet">{at}</span>
              {'  '}
              {hex.padEnd(48)}
              {'  '}
              <span className="quiet">{chars}</span>
              {'\n'}
            </span>
          )
        })}
      </pre>
      {bytes.length > many && (
        <button type="button" className="button small" onClick={() => setMany(m => m * 4)}>
          {t('body.more', { size: size(bytes.length - many) })}
        </button>
      )}
    </>
  )
}
