import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, HighlightStyle, indentUnit, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, nextDiagnostic, previousDiagnostic } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import type { EditorState, Extension } from '@codemirror/state'
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  type KeyBinding,
  keymap,
  lineNumbers,
} from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { type RefObject, useEffect, useRef } from 'react'

// Text in CodeMirror. Only views that load the editor may import this.

interface Code {
  /** The text at first, and whenever `loaded` changes; in between the editor's own text counts. */
  text: string
  loaded: number
  label: string
  /** Called once: what changes later stands in a compartment. */
  extensions: () => readonly Extension[]
  /** Before those of all editors. */
  keys?: readonly KeyBinding[]
  focus?: boolean
  onChange: (text: string) => void
  onSave: () => void
}

/**
 * Puts an editor into the box `host`, and tells of it by `view`. It lives in a shadow root, because the page's policy
 * allows no style elements.
 */
export function useCode(host: RefObject<HTMLDivElement | null>, view: RefObject<EditorView | null>, code: Code) {
  const now = useRef(code)
  now.current = code

  useEffect(() => {
    const { text, label, extensions, keys, focus } = now.current
    const box = host.current as HTMLDivElement
    const root = box.shadowRoot ?? box.attachShadow({ mode: 'open' })
    const save = () => {
      now.current.onSave()
      return true
    }
    const v = new EditorView({
      root,
      parent: root,
      doc: text,
      extensions: [
        ...extensions(),
        lineNumbers(),
        lintGutter(),
        highlightActiveLineGutter(),
        highlightActiveLine(),
        history(),
        drawSelection(),
        indentUnit.of('  '),
        bracketMatching(),
        highlightSelectionMatches(),
        search({ top: true }),
        syntaxHighlighting(colours),
        look,
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false', tabindex: '0' }),
        EditorView.updateListener.of(u => {
          if (u.docChanged) now.current.onChange(u.state.doc.toString())
        }),
        keymap.of([
          { key: 'Mod-s', preventDefault: true, run: save },
          { key: 'F8', run: nextDiagnostic },
          { key: 'Shift-F8', run: previousDiagnostic },
          ...(keys ?? []),
          ...searchKeymap,
          ...historyKeymap,
          ...defaultKeymap,
          indentWithTab,
        ]),
      ],
    })
    view.current = v
    if (focus) v.focus()
    return () => {
      v.destroy()
      view.current = null
    }
  }, [host, view])

  const { loaded } = code
  useEffect(() => {
    const v = view.current
    const { text } = now.current
    if (loaded > 0 && v && v.state.doc.toString() !== text) v.dispatch(change(v.state, text))
  }, [loaded, view])
}

/** The smallest change that makes the text another, so that cursor, folding and undo survive. */
export function change(state: EditorState, next: string) {
  const old = state.doc.toString()
  let from = 0
  while (from < old.length && from < next.length && old[from] === next[from]) from++
  let end = 0
  while (
    end < old.length - from &&
    end < next.length - from &&
    old[old.length - 1 - end] === next[next.length - 1 - end]
  )
    end++
  return { changes: { from, to: old.length - end, insert: next.slice(from, next.length - end) } }
}

const colours = HighlightStyle.define([
  { tag: tags.comment, color: 'var(--text-3)' },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'light-dark(#5b3aa6, #c3a6ff)' },
  { tag: tags.string, color: 'light-dark(#176340, #8fd9ab)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'light-dark(#1a5aa8, #8abaff)' },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: 'var(--text-3)' },
])

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '12.5px', color: 'var(--text)', background: 'var(--sunken)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.65' },
  '.cm-content': { caretColor: 'var(--text)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { background: 'var(--sunken)', color: 'var(--text-3)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { background: 'color-mix(in oklab, var(--accent-soft) 55%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'light-dark(#cfd5ff, #343b75)',
  },
  '.cm-selectionMatch': { background: 'light-dark(#e4e8ff, #2a3059)' },
  '&.cm-focused .cm-matchingBracket': { background: 'var(--accent-soft)', outline: '1px solid var(--line-2)' },
  '.cm-tooltip': {
    background: 'var(--raised)',
    color: 'var(--text)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    boxShadow: 'var(--shadow-2)',
    fontFamily: 'var(--sans)',
    fontSize: '12.5px',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', maxHeight: '18em' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { background: 'var(--accent-fill)', color: 'var(--on-accent)' },
  '.cm-completionDetail': { fontStyle: 'normal', fontFamily: 'var(--sans)', color: 'inherit', opacity: '.8' },
  '.cm-completionInfo': { maxWidth: '320px', padding: '6px 9px', lineHeight: '1.45' },
  '.cm-completionIcon': { display: 'none' },
  '.cm-panels': { background: 'var(--panel)', color: 'var(--text)', borderColor: 'var(--line)' },
  '.cm-panels input, .cm-panels button': {
    fontFamily: 'var(--sans)',
    color: 'var(--text)',
    background: 'var(--raised)',
    backgroundImage: 'none',
    border: '1px solid var(--line-2)',
    borderRadius: '4px',
  },
  '.cm-diagnosticSource': { opacity: '1', color: 'var(--text-2)' },
  '.cm-diagnostic': { whiteSpace: 'normal', maxWidth: '60ch' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--red)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--amber)' },
  '.cm-diagnostic-info': { borderLeftColor: 'var(--blue)' },
  '.cm-lintRange-error': { background: 'var(--red-soft)' },
  '.cm-lintRange-warning': { background: 'var(--amber-soft)' },
})
