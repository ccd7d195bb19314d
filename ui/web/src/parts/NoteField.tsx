import { t } from '../i18n/i18n'

/** Why a person does something. Ctrl+Enter sends the form. */
export function NoteField({
  value,
  onChange,
  required = true,
  placeholder = '',
}: {
  value: string
  onChange: (note: string) => void
  required?: boolean
  placeholder?: string
}) {
  return (
    <label>
      {required ? t('note.required') : t('note.optional')}
      <textarea
        rows={3}
        maxLength={4000}
        required={required}
        value={value}
        placeholder={placeholder}
        onChange={e => onChange(e.target.value)}
        onKeyDown={e => {
          if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) e.currentTarget.form?.requestSubmit()
        }}
      />
    </label>
  )
}
