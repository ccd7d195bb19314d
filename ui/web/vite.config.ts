import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { defineConfig } from 'vitest/config'

// The address that the development server asks for data: the program itself, or the mock of dev/mock.mjs.
const api = process.env.DLQ_UI_API ?? 'http://127.0.0.1:8650'

// Writes each text once more, compressed: brotli is a sixth smaller than gzip, and too slow to be made at the program's
// start. It reads what was written, since other plugins change texts to the last.
const brotli = {
  name: 'brotli',
  writeBundle(o: { dir?: string | undefined }) {
    const dir = join(o.dir ?? '', 'assets')
    for (const name of readdirSync(dir).filter(f => /[.](js|css)$/.test(f))) {
      const text = readFileSync(join(dir, name))
      const small = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
      if (text.length >= 500 && small.length < text.length * 0.9) writeFileSync(join(dir, `${name}.br`), small)
    }
  },
}

export default defineConfig({
  base: '/',
  plugins: [brotli],
  // Preact stands in for React: react-dom alone is 51 of the 100 kB that the first load may take.
  resolve: {
    alias: [
      { find: /^react-dom\/client$/, replacement: 'preact/compat/client' },
      // The shim is for a React without the hook; this one has it.
      { find: /^(react|react-dom|use-sync-external-store\/shim\/index\.js)$/, replacement: 'preact/compat' },
      { find: /^react\/(jsx-(dev-)?runtime)$/, replacement: 'preact/$1' },
    ],
  },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    sourcemap: false,
    // Nothing may be inlined: the page's policy allows no data: scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
    rolldownOptions: {
      // Libraries say "use client" for frameworks that render on servers; here it means nothing.
      onwarn: (warning, warn) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning)
      },
      output: {
        // One file for what every view needs: many small ones compress worse.
        codeSplitting: {
          groups: [
            {
              name: 'base',
              test: /node_modules\/(preact|wouter|regexparam|@tanstack\/(?!.*[iI]nfiniteQuery(Observer)?\.js))|src\/(api|app\/(App|Frame|Live|Switches|keys|theme)|parts\/(Icon|mask|Text|Time|Wait)|i18n\/(i18n|format))|letters\/SearchBar/,
            },
          ],
        },
      },
    },
  },
  server: { host: '127.0.0.1', port: 5173, proxy: { '/api': { target: api, changeOrigin: true } } },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}'] },
})
