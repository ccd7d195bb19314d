// Fails when the files that the first load of / or of /letters takes are over their budget. With data and headers, the browser
// may receive 100 kB: e2e/wire.spec.ts counts those.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const dist = new URL('../../dist/', import.meta.url).pathname
const budget = 70_000

const files = readdirSync(dist, { recursive: true }).filter(f => statSync(join(dist, f)).isFile() && !f.endsWith('.br'))
const size = f => gzipSync(readFileSync(join(dist, f)), { level: 9 }).length

const html = readFileSync(join(dist, 'index.html'), 'utf8')
const named = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(m => m[1])
const chunk = name => {
  const found = files.find(f => new RegExp(`^assets/${name}-[\\w-]{8}\\.js$`).test(f))
  if (!found) throw new Error(`budget: the build has no part ${name}`)
  return found
}

// What comes with a part that is loaded later: all that the loader lists for it, styles too.
const withPart = new Map()
for (const f of files.filter(f => f.endsWith('.js'))) {
  const text = readFileSync(join(dist, f), 'utf8')
  const listed = JSON.parse(/m\.f=(\["assets[^\]]*\])/.exec(text)?.[1] ?? '[]')
  for (const m of text.matchAll(
    /import\(`\.\/([^`]+)`\)(?:(?!import\().)*?(?:__vite__mapDeps\(\[([\d,]*)\]\)|,\[\]\))/gs,
  ))
    withPart.set(`assets/${m[1]}`, m[2] ? m[2].split(',').map(n => listed[Number(n)]) : [])
}
const loads = name => [chunk(name), ...(withPart.get(chunk(name)) ?? [])]

let total = 0
for (const [path, view, chapters] of [
  ['/', 'OverviewView', ['', '.overview']],
  ['/letters', 'LettersView', ['']],
])
  for (const lang of ['en', 'zh']) {
    const parts = [view, 'Strips', 'UndoBar', ...chapters.map(c => lang + c)]
    const first = new Set(['index.html', ...named, ...parts.flatMap(loads)])
    const bytes = [...first].reduce((n, f) => n + size(f), 0)
    total = Math.max(total, bytes)
    console.log(`${String(bytes).padStart(7)}  ${path} in ${lang}, ${first.size} files, gzip -9, of ${budget} allowed`)
  }
for (const view of ['LetterPane', 'OperationsView', 'RulesView', 'AlertsView', 'GroupsView', 'SystemView']) {
  const bytes = loads(view).filter(f => !named.includes(f))
  console.log(`${String(bytes.reduce((n, f) => n + size(f), 0)).padStart(7)}  ${view}, with what comes with it`)
}

const bad = []
if (total > budget) bad.push(`the first load is ${total} bytes, over ${budget}`)
if (files.some(f => f.endsWith('.map'))) bad.push('there are source maps in dist')
for (const f of files.filter(f => /\.(js|css|html)$/.test(f)))
  if (/sourceMappingURL/.test(readFileSync(join(dist, f), 'utf8'))) bad.push(`${f} names a source map`)
if (/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/.test(html))
  bad.push('index.html has inline script or style, which the policy of the page forbids')
if (bad.length > 0) {
  for (const b of bad) console.error(`budget: ${b}`)
  process.exit(1)
}
