import { useMemo, useState } from 'react'
import { useBody, useBodyText } from '../api/queries'
import type { Detail } from '../api/types'
import { bytes as size } from '../i18n/format'
import { code, t } from '../i18n/i18n'
import { Copy } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Wait } from '../parts/Wait'
import '../style/body.css'
import { Charset, charsets } from './Charset'
import { JsonTree } from './JsonTree'
import { hexLine, parseJSON } from './json'
import type { BodyText } from './types'

type Form = 'json' | 'text' | 'hex'

// So many characters of text, bytes of hex and texts in it are shown at first.
const someText = 50_000
const someBytes = 2048
const somePieces = 200

// Up to these sizes a compressed body that holds very much can be opened.
const sizes = [1 << 20, 4 << 20, 16 << 20]

/** The body: exact, and never anything but text. */
export function Body({ letter }: { letter: Detail }) {
  const [charset, setCharset] = useState<string>()
  const [open, setOpen] = useState<number>()
  const [chosen, setChosen] = useState<Form>()
  const query = useBodyText(letter.id, letter.message_id, charset, open)
  const said = query.data
  const text = said?.charset ? said.text : undefined
  const node = useMemo(() => (text ? parseJSON(text) : undefined), [text])

  if (query.error) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!said) return <Wait lines={6} />
  if (said.size === 0) return <p className="quiet">{t('body.empty')}</p>

  const why: Record<Form, string | undefined> = {
    json: node ? undefined : t('body.not.json'),
    text: text !== undefined ? undefined : t('body.not.text'),
    hex: undefined,
  }
  const best: Form = node ? 'json' : text !== undefined ? 'text' : 'hex'
  const form: Form = chosen && !why[chosen] ? chosen : best
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
        <Charset detected={said.detected} chosen={charset} disabled={said.over_limit} onChoose={setCharset} />
        <span className="quiet num">{size(said.size)}</span>
        <span className="grow" />
        {text !== undefined && <Copy value={text} label={t('copy')} />}
        <a className="button small" href={`/api/v1/letters/${letter.id}/body`} download>
          {t('body.download')}
        </a>
      </div>
      <Notes said={said} onOpen={setOpen} />
      {said.state !== 'plain' && <Note text={code('body.state', said.state)} />}
      {letter.envelope && <Note text={t('body.envelope', { name: letter.envelope })} />}
      {form === 'json' && node && <JsonTree node={node} marked={field} />}
      {form === 'text' && text !== undefined && <Text text={text} />}
      {form === 'hex' && (
        <>
          {(said.pieces ?? []).length > 0 && <Pieces said={said} />}
          <Hex letter={letter} />
        </>
      )}
    </div>
  )
}

/** What one must know about the text to read it right. */
function Notes({ said, onOpen }: { said: BodyText; onOpen: (size: number) => void }) {
  const name = charsets[said.charset] ?? said.charset
  const format = said.format
  return (
    <>
      {said.over_limit && (
        <div className="note-amber">
          <Icon name="info" size={14} /> {t('body.packed.much', { format })}{' '}
          {sizes.map(n => (
            <button key={n} type="button" className="button small" onClick={() => onOpen(n)}>
              {t('body.open', { size: size(n) })}
            </button>
          ))}
        </div>
      )}
      {format && !said.over_limit && <Quiet text={t('body.packed', { format, size: size(said.opened) })} />}
      {said.more && <Note text={t('body.packed.more', { size: size(said.opened) })} />}
      {said.broken && <Note text={t('body.packed.broken')} />}
      {said.charset === '' && !said.over_limit && <Note text={t('body.hexed')} />}
      {said.charset !== '' && said.charset !== 'utf-8' && <Quiet text={t('body.charset', { name })} />}
      {said.wrong > 0 && <Note text={t('body.wrong', { n: said.wrong, name })} />}
    </>
  )
}

function Note({ text }: { text: string }) {
  return (
    <p className="note-amber">
      <Icon name="info" size={14} /> {text}
    </p>
  )
}

const Quiet = ({ text }: { text: string }) => <p className="quiet small">{text}</p>

/** The texts that stand in bytes that are none. */
function Pieces({ said }: { said: BodyText }) {
  const [all, setAll] = useState(false)
  const pieces = said.pieces ?? []
  return (
    <section className="pieces" aria-label={t('body.pieces')}>
      <h3>{t('body.pieces')}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className="text" tabIndex={0}>
        {(all ? pieces : pieces.slice(0, somePieces)).map(p => (
          <span key={p.offset} className="hex-line">
            <span className="quiet">{p.offset.toString(16).padStart(8, '0')}</span>
            {'  '}
            <Foreign text={p.text} />
            {'\n'}
          </span>
        ))}
      </pre>
      {!all && pieces.length > somePieces && (
        <button type="button" className="button small" onClick={() => setAll(true)}>
          {t('body.pieces.all', { n: pieces.length })}
        </button>
      )}
      {said.cut && <p className="quiet small">{t('body.pieces.cut')}</p>}
    </section>
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

/** The exact bytes as they are stored, compressed or not. */
function Hex({ letter }: { letter: Detail }) {
  const query = useBody(letter.id, letter.message_id)
  if (query.error) return <ProblemBox error={query.error} again={() => query.refetch()} />
  return query.data ? <HexLines bytes={query.data} /> : <Wait lines={6} />
}

function HexLines({ bytes }: { bytes: Uint8Array }) {
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
