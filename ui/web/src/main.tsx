import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { client } from './api/queries'
import { App } from './app/App'
import { Boundary } from './app/Boundary'
import { firstLang, setLang } from './i18n/i18n'
import './style/tokens.css'
import './style/base.css'
import './style/controls.css'
import './style/parts.css'
import './style/frame.css'

const root = document.getElementById('root')
if (root) {
  await setLang(firstLang(), false)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Boundary place="">
          <App />
        </Boundary>
      </QueryClientProvider>
    </StrictMode>,
  )
}
