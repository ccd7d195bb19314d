import { useEffect, useState } from 'react'
import { errorWords, t, useLang } from '../i18n/i18n'
import { plain } from './mask'
import { sentenceWords } from './sentences'

/** A sentence of the server: in the page's language where this page knows it, else its English on demand. */
export function Said({ text }: { text: string }) {
  const lang = useLang()
  // It may stand in a view that brings no words for sentences.
  useEffect(() => {
    if (lang !== 'en') errorWords()
  }, [lang])
  if (lang === 'en') return plain(text, 600)
  return sentenceWords(text) ?? <Original text={text} lone />
}

/** The server's own English in a page that is not: one click away, for those who look it up or pass it on. */
export function Original({ text, lone = false }: { text: string; lone?: boolean }) {
  const [shown, setShown] = useState(false)
  return (
    <span className="original">
      <button type="button" className="link small" aria-expanded={shown} onClick={() => setShown(!shown)}>
        {t(lone ? 'said.original.lone' : 'said.original')}
      </button>
      {shown && (
        <>
          {' '}
          <span lang="en">{plain(text, 600)}</span>
        </>
      )}
    </span>
  )
}
