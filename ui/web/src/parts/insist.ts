// How browsers say that a part of the page is not there: nothing answers, or an upgrade of the console took it away.
const gone = /dynamically imported module|importing a module script|unable to preload/i

/** Whether an error says that a part of the page could not be loaded. */
export const isGone = (error: unknown): boolean => gone.test(error instanceof Error ? error.message : String(error))

/**
 * Loads a part of the page. While the console does not answer it waits and tries again; when the console answers and the
 * part is still missing, the page is older than the console, and the error is passed on.
 */
export async function insist<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (e) {
    if (!isGone(e)) throw e
  }
  for (let wait = 500; !(await answers()); wait = Math.min(wait * 2, 8000)) await pause(wait)
  await styles()
  return load()
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch('/healthz', { cache: 'no-store' })).ok
  } catch {
    return false
  }
}

const broken = new Set<HTMLLinkElement>()
document.addEventListener(
  'error',
  e => {
    if (e.target instanceof HTMLLinkElement && e.target.rel === 'stylesheet') broken.add(e.target)
  },
  true,
)

/** Loads the style sheets anew that could not be loaded: the loader of the parts takes them for there. */
async function styles(): Promise<void> {
  const missing = [...broken]
  broken.clear()
  await Promise.all(
    missing.map(
      old =>
        new Promise(done => {
          const link = old.cloneNode() as HTMLLinkElement
          link.onload = link.onerror = done
          old.replaceWith(link)
        }),
    ),
  )
}

/** Waits, but not longer than until the browser is online again. */
export function pause(ms: number, end?: AbortSignal): Promise<void> {
  return new Promise(done => {
    const over = () => {
      clearTimeout(timer)
      removeEventListener('online', over)
      end?.removeEventListener('abort', over)
      done()
    }
    const timer = setTimeout(over, ms)
    addEventListener('online', over)
    end?.addEventListener('abort', over)
  })
}
