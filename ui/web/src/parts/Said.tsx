import { currentLang } from '../i18n/i18n'
import { plain } from './mask'
import { sentenceWords } from './sentences'

/** A sentence of the server: in the page's language where this page knows it, else as it is. */
export function Said({ text }: { text: string }) {
  const words = sentenceWords(text)
  return words ?? <span lang={currentLang() === 'en' ? undefined : 'en'}>{plain(text, 600)}</span>
}
