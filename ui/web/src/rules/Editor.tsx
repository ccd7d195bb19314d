import {
  autocompletion,
  type CompletionContext,
  closeBrackets,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { yaml } from '@codemirror/lang-yaml'
import { indentOnInput } from '@codemirror/language'
import { type Diagnostic as Mark, nextDiagnostic, setDiagnostics } from '@codemirror/lint'
import { Compartment, EditorState, RangeSet, StateEffect, StateField } from '@codemirror/state'
import { Decoration, type DecorationSet, EditorView, WidgetType } from '@codemirror/view'
import { type RefObject, useEffect, useImperativeHandle, useRef } from 'react'
import { currentLang, t } from '../i18n/i18n'
import { change, useCode } from '../parts/code'
import { plain } from '../parts/mask'
import { offers, type Schema, type Seen } from './schema'
import type { Diagnostic } from './types'
import { where } from './where'

/** What the view can ask of its editor. */
export interface EditorHandle {
  /** Replaces the text so that one step of undo brings the old one back. */
  replace(text: string): void
  /** Shows a line and puts the cursor there. */
  jump(line: number, focus?: boolean): void
  nextFinding(): void
}

interface Props {
  handle: RefObject<EditorHandle | null>
  /** The text at first, and whenever `loaded` changes; in between the editor's own text counts. */
  text: string
  loaded: number
  found: readonly Diagnostic[]
  schema: Schema | undefined
  seen: Seen
  readOnly: boolean
  label: string
  onChange: (text: string) => void
  onSave: () => void
}

/** The text of rules.yaml in CodeMirror. */
export default function Editor({
  handle,
  text,
  loaded,
  found,
  schema,
  seen,
  readOnly,
  label,
  onChange,
  onSave,
}: Props) {
  const now = useRef({ schema, seen })
  now.current = { schema, seen }
  const complete = (c: CompletionContext) => {
    const { schema, seen } = now.current
    if (!schema) return null
    const place = where(c.state.doc.toString(), c.pos)
    const typed = c.state.sliceDoc(place.from, c.pos)
    if (!c.explicit && typed === '') return null
    return {
      from: place.from,
      options: offers(schema, seen, place).map((o, i) => ({
        label: o.label,
        apply:
          o.kind === 'key' || (place.kind === 'key' && o.kind === 'seen' && place.path.at(-1) !== '[]')
            ? `${o.label}: `
            : quoted(o.label),
        type: o.kind === 'key' ? 'property' : o.kind === 'seen' ? 'variable' : 'enum',
        // The order of the schema is the order of the documentation.
        boost: (o.needed ? 50 : 0) - Math.min(i, 49),
        ...(o.kind === 'seen' && { detail: t('rules.seen') }),
        ...(o.info && { info: o.info }),
      })),
    }
  }
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | null>(null)
  useCode(host, view, {
    text,
    loaded,
    label,
    extensions: () => [
      indentOnInput(),
      closeBrackets(),
      yaml(),
      autocompletion({ override: [complete], activateOnTyping: true }),
      under,
      noteLook,
      locked.of(EditorState.readOnly.of(readOnly)),
    ],
    keys: [{ key: 'Ctrl-Space', run: startCompletion }, ...completionKeymap],
    onChange,
    onSave,
  })
  useEffect(
    () => view.current?.dispatch({ effects: locked.reconfigure(EditorState.readOnly.of(readOnly)) }),
    [readOnly],
  )
  useEffect(() => {
    const v = view.current
    if (!v) return
    const marks = found.map(d => toMark(v.state, d))
    v.dispatch(setDiagnostics(v.state, marks))
    v.dispatch({ effects: setUnder.of(notes(v.state, found)) })
  }, [found])

  useImperativeHandle(handle, () => ({
    replace: next => view.current?.dispatch(change(view.current.state, next)),
    jump: (line, focus = true) => {
      const v = view.current
      if (!v || line < 1 || line > v.state.doc.lines) return
      const at = v.state.doc.line(line)
      const start = at.from + (at.text.length - at.text.trimStart().length)
      v.dispatch({
        selection: { anchor: start },
        effects: EditorView.scrollIntoView(start, { y: 'start', yMargin: 60 }),
      })
      if (focus) v.focus()
    },
    nextFinding: () => {
      if (!view.current) return
      view.current.focus()
      nextDiagnostic(view.current)
    },
  }))

  return <div ref={host} className="editor" data-typing />
}

/** A value as YAML has to have it. */
function quoted(value: string): string {
  return /^[\p{L}_][\p{L}\p{N}_. /-]*$/u.test(value) &&
    !/^(true|false|null|yes|no|on|off)$/i.test(value) &&
    !/\s$/.test(value)
    ? value
    : /^(true|false)$|^[\d.]+[a-zA-Z/]*$/.test(value)
      ? value
      : `'${value.replaceAll("'", "''")}'`
}

/** The offset of a line and a column; columns count characters, the editor counts UTF-16. */
function offset(state: EditorState, line: number, column: number): number {
  if (line < 1) return 0
  if (line > state.doc.lines) return state.doc.length
  const at = state.doc.line(line)
  return at.from + Math.min([...at.text].slice(0, column - 1).join('').length, at.length)
}

const sentence = (d: Diagnostic) => plain(currentLang() === 'zh' ? d.message.zh : d.message.en, 600)

function toMark(state: EditorState, d: Diagnostic): Mark {
  const from = offset(state, d.line, d.column)
  return {
    from,
    to: Math.max(from, offset(state, d.end_line, d.end_column)),
    severity: d.severity === 'hint' ? 'info' : d.severity,
    message: `${sentence(d)}${d.suggestion ? ` ${t('diagnostic.instead')} ${plain(d.suggestion, 200)}` : ''}`,
    source: `${d.code} · ${t('rules.place', { line: String(d.line), column: String(d.column) })}`,
  }
}

/** What was found, under the line that it is about. */
class Note extends WidgetType {
  private readonly d: Diagnostic
  constructor(d: Diagnostic) {
    super()
    this.d = d
  }
  override eq(o: Note): boolean {
    return this.d.code === o.d.code && this.d.severity === o.d.severity && sentence(this.d) === sentence(o.d)
  }
  override toDOM(): HTMLElement {
    // The editor measures blocks without their margins.
    const block = document.createElement('div')
    block.className = 'dlq-block'
    const box = document.createElement('div')
    box.className = `dlq-note dlq-${this.d.severity}`
    block.append(box)
    const word = document.createElement('strong')
    word.textContent = `${t(`diagnostic.${this.d.severity}`)} `
    box.append(word, sentence(this.d))
    if (this.d.suggestion) {
      const instead = document.createElement('code')
      instead.textContent = plain(this.d.suggestion, 200)
      box.append(` ${t('diagnostic.instead')} `, instead)
    }
    const place = document.createElement('span')
    place.className = 'dlq-place'
    place.textContent = ` ${this.d.code} · ${t('rules.place', { line: String(this.d.line), column: String(this.d.column) })}`
    box.append(place)
    return block
  }
}

// Beyond this many the editor would be notes with some text between them; the margin shows the others.
const mostNotes = 50

function notes(state: EditorState, found: readonly Diagnostic[]): DecorationSet {
  return Decoration.set(
    found.slice(0, mostNotes).map(d => {
      const line = state.doc.line(Math.min(Math.max(d.line, 1), state.doc.lines))
      return Decoration.widget({ widget: new Note(d), block: true, side: 1 }).range(line.to)
    }),
    true,
  )
}

const setUnder = StateEffect.define<DecorationSet>()
const under = StateField.define<DecorationSet>({
  create: () => RangeSet.empty,
  update(value, tr) {
    for (const e of tr.effects) if (e.is(setUnder)) return e.value
    return value.map(tr.changes)
  },
  provide: f => EditorView.decorations.from(f),
})
const locked = new Compartment()

// The notes under lines.
const noteLook = EditorView.theme({
  '.cm-content': { paddingBottom: '40vh' },
  '.dlq-block': { padding: '2px 12px 5px 6px' },
  '.dlq-note': {
    font: '12.5px / 1.45 var(--sans)',
    whiteSpace: 'normal',
    maxWidth: '84ch',
    padding: '4px 9px',
    borderRadius: '5px',
    border: '1px solid var(--line)',
    borderLeft: '3px solid var(--blue)',
    background: 'var(--panel)',
  },
  '.dlq-note.dlq-error': { borderLeftColor: 'var(--red)' },
  '.dlq-note.dlq-warning': { borderLeftColor: 'var(--amber)' },
  '.dlq-note code': { fontFamily: 'var(--mono)', fontSize: '12px' },
  '.dlq-place': { color: 'var(--text-2)', fontSize: '11.5px' },
})
