import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, indentUnit, StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, nextDiagnostic, setDiagnostics } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState } from '@codemirror/state'
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view'
import { useEffect, useRef } from 'react'
import { change, colours, look } from '../parts/code'

interface Props {
  /** The text at first, and whenever `loaded` changes; in between the editor's own text counts. */
  text: string
  loaded: number
  json: boolean
  /** What is wrong with it, and from where on. */
  fault: { at: number; words: string } | undefined
  label: string
  onChange: (text: string) => void
  onSave: () => void
}

// A long line that is wrapped must be measured whole; beyond this it is faster to scroll sideways.
const wrapMax = 100_000

/** A message body in CodeMirror, character for character. It lives in a shadow root, because the page's policy allows no style elements. */
export default function BodyEditor({ text, loaded, json, fault, label, onChange, onSave }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  const now = useRef({ onChange, onSave })
  now.current = { onChange, onSave }
  const first = useRef({ text, json, label })

  useEffect(() => {
    const box = host.current as HTMLDivElement
    const root = box.shadowRoot ?? box.attachShadow({ mode: 'open' })
    const v = new EditorView({
      root,
      parent: root,
      doc: first.current.text,
      extensions: [
        // A carriage return is a character of the body like any other: the editor must not make line feeds of it.
        EditorState.lineSeparator.of('\n'),
        lineNumbers(),
        lintGutter(),
        highlightActiveLineGutter(),
        highlightActiveLine(),
        highlightSpecialChars({ addSpecialChars: /[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g }),
        highlightSelectionMatches(),
        history(),
        drawSelection(),
        indentUnit.of('  '),
        bracketMatching(),
        search({ top: true }),
        language.of(first.current.json ? jsonLanguage : []),
        syntaxHighlighting(colours),
        look,
        first.current.text.length < wrapMax ? EditorView.lineWrapping : [],
        EditorView.contentAttributes.of({ 'aria-label': first.current.label, spellcheck: 'false', tabindex: '0' }),
        EditorView.updateListener.of(u => {
          if (u.docChanged) now.current.onChange(u.state.doc.toString())
        }),
        keymap.of([
          {
            key: 'Mod-s',
            preventDefault: true,
            run: () => {
              now.current.onSave()
              return true
            },
          },
          { key: 'F8', run: nextDiagnostic },
          ...searchKeymap,
          ...historyKeymap,
          ...defaultKeymap,
          indentWithTab,
        ]),
      ],
    })
    view.current = v
    v.focus()
    return () => {
      v.destroy()
      view.current = null
    }
  }, [])

  const given = useRef(text)
  given.current = text
  useEffect(() => {
    const v = view.current
    if (loaded > 0 && v && v.state.doc.toString() !== given.current) v.dispatch(change(v.state, given.current))
  }, [loaded])
  useEffect(() => view.current?.dispatch({ effects: language.reconfigure(json ? jsonLanguage : []) }), [json])
  useEffect(() => {
    const v = view.current
    if (!v) return
    const at = Math.min(fault?.at ?? 0, v.state.doc.length)
    v.dispatch(
      setDiagnostics(
        v.state,
        fault
          ? [{ from: at, to: Math.min(at + 1, v.state.doc.length), severity: 'warning', message: fault.words }]
          : [],
      ),
    )
  }, [fault])

  return <div ref={host} className="editor" data-typing />
}

const language = new Compartment()

// Colours alone; what is wrong is found by the same reader that shows bodies.
const jsonLanguage = StreamLanguage.define({
  token(s) {
    if (s.eatSpace()) return null
    if (s.match(/^"(?:[^"\\]|\\.)*"?/)) return s.match(/^\s*:/, false) ? 'propertyName' : 'string'
    if (s.match(/^-?\d[\d.eE+-]*/)) return 'number'
    if (s.match(/^(?:true|false)\b/)) return 'bool'
    if (s.match(/^null\b/)) return 'null'
    s.next()
    return 'punctuation'
  },
})
