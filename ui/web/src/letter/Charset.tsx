import { t } from '../i18n/i18n'

/** The charsets that the API can read, as people know them. */
export const charsets: Readonly<Record<string, string>> = {
  'utf-8': 'UTF-8',
  gb18030: 'GB18030',
  gbk: 'GBK',
  big5: 'Big5',
  shift_jis: 'Shift_JIS',
  'utf-16le': 'UTF-16 LE',
  'utf-16be': 'UTF-16 BE',
  'euc-jp': 'EUC-JP',
  'euc-kr': 'EUC-KR',
  'windows-1252': 'Windows-1252',
}

interface Props {
  /** In which charset the body is written; '' for no text. */
  detected: string
  /** What somebody chose; undefined for what was found. */
  chosen: string | undefined
  disabled?: boolean
  onChoose: (charset: string | undefined) => void
}

/** In which charset a body is read: as it was found, or as somebody chooses. */
export function Charset({ detected, chosen, disabled, onChoose }: Props) {
  return (
    <label className="charset">
      <span className="quiet small">{t('charset')}</span>{' '}
      <select value={chosen ?? ''} disabled={disabled} onChange={ev => onChoose(ev.target.value || undefined)}>
        <option value="">
          {detected ? t('charset.found', { name: charsets[detected] ?? detected }) : t('charset.none')}
        </option>
        {Object.entries(charsets).map(([c, name]) => (
          <option key={c} value={c}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}
