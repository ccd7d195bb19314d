/** A select that filters a list; "" is any. */
export function Pick({
  label,
  any,
  value,
  options,
  onPick,
}: {
  label: string
  any: string
  value: string
  options: readonly (readonly [value: string, word: string])[]
  onPick: (value: string) => void
}) {
  return (
    <label>
      <span className="off-screen">{label}</span>
      <select value={value} onChange={e => onPick(e.target.value)}>
        <option value="">{any}</option>
        {options.map(([v, word]) => (
          <option key={v} value={v}>
            {word}
          </option>
        ))}
      </select>
    </label>
  )
}
