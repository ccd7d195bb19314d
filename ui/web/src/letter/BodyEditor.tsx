import { StreamLanguage } from '@codemirror/language'
import { setDiagnostics } from '@codemirror/lint'
import { Compartment, EditorState } from '@codemirror/state'
import { EditorView, highlightSpecialChars } from '@codemirror/view'
import { useEffect, useRef } from 'react'
import { useCode } from '../parts/code'

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

/** A message body in CodeMirror, character for character. */
export default function BodyEditor({ text, loaded, json, fault, label, onChange, onSave }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  useCode(host, view, {
    text,
    loaded,
    label,
    extensions: () => [
      // A carriage return is a character of the body like any other: the editor must not make line feeds of it.
      EditorState.lineSeparator.of('\n'),
      highlightSpecialChars({ addSpecialChars: /[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g }),
      language.of(json ? jsonLanguage : []),
      text.length < wrapMax ? EditorView.lineWrapping : [],
    ],
    focus: true,
    onChange,
    onSave,
  })
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
