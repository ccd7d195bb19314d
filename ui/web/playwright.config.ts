import { defineConfig } from '@playwright/test'

// main.spec.ts starts the program itself on a real broker; the others run against the mock of dev/mock.mjs.
// Chromium is the system's: Playwright's own download is not needed.
const port = process.env.DLQ_MOCK_PORT ?? '8650'
const mock = `http://127.0.0.1:${port}`

export default defineConfig({
  testDir: 'e2e',
  timeout: 90_000,
  expect: { timeout: 15_000 },
  fullyParallel: false,
  workers: 1,
  forbidOnly: !!process.env.CI,
  reporter: [['list']],
  use: {
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  projects: [
    {
      name: 'views',
      testMatch: [
        'views.spec.ts',
        'letter.spec.ts',
        'operations.spec.ts',
        'rules.spec.ts',
        'alerts.spec.ts',
        'a11y.spec.ts',
      ],
      use: { baseURL: mock },
    },
    { name: 'main', testMatch: 'main.spec.ts' },
  ],
  webServer: {
    command: `node dev/mock.mjs --port ${port}`,
    url: `${mock}/api/v1/status`,
    reuseExistingServer: !process.env.CI,
  },
})
