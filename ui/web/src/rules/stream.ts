/** The lines of a stream of text, as they come; empty ones are left out. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      const parts = (rest + value).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) if (part.trim() !== '') yield part
    }
    if (rest.trim() !== '') yield rest
  } finally {
    // Whoever stops reading ends the work at the other side.
    await reader.cancel().catch(() => undefined)
  }
}
