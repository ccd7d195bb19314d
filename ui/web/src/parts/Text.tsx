import { mask, masked, middle, plain } from './mask'

/** Foreign text: hidden and direction-changing characters are shown by name, and it cannot disturb what stands beside it. */
export function Foreign({ text, className }: { text: string; className?: string | undefined }) {
  if (!masked(text)) return <bdi className={className}>{text}</bdi>
  return (
    <bdi className={className}>
      {mask(text).map((part, i) =>
        part.name ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one text have no other identity
          <span key={i} className="hidden-char" title={part.name}>
            {part.name}
          </span>
        ) : (
          part.text
        ),
      )}
    </bdi>
  )
}

/**
 * A name on one line that is cut in its middle where its place is too narrow: what tells long names apart stands at their
 * ends. Whole on hover and when it is copied.
 */
export function Name({ text, tail = 12, className = '' }: { text: string; tail?: number; className?: string }) {
  if (masked(text))
    return (
      <span className={`name ${className}`} title={plain(text)}>
        <Foreign text={middle(text, 40)} />
      </span>
    )
  const chars = Array.from(text)
  const cut = chars.length > tail * 2 ? chars.length - tail : chars.length
  return (
    <bdi className={`name ${className}`} title={text}>
      <span>{chars.slice(0, cut).join('')}</span>
      {cut < chars.length && <span>{chars.slice(cut).join('')}</span>}
    </bdi>
  )
}
